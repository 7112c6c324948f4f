"""Generation and training with a language model of the size of SmolLM2-135M, with random weights.

Each figure comes from a process of its own, which tells its peak memory. The data type is bfloat16
where the processor computes in it, and float32 elsewhere.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from language_models import adapt, build, generation, peak_memory, prompts_of, rows_of, training

PROMPT, RESPONSE, TRAINED = 410, 48, (8, 400, 256)
"""Tokens of a prompt and of its response; rows of a mini-batch, and their read and written tokens.
"""
RANK = 16
"""Rank of the adapters (LoRA) that are trained in place of the whole model."""
BARS = {
    "prefill 16": "",
    "prefill 64": "≥ 700 tokens/s in bfloat16, ≤ 3 GB",
    "siblings 64": "",
    "decode 16": "",
    "decode 64": "≥ 250 tokens/s in bfloat16, ≤ 3 GB",
    "decode 64 adapters": "",
    "train": "≥ 220 tokens/s in bfloat16, ≤ 4.5 GB",
    "train recomputing": "",
    "train packed": "≥ the figure without packing",
    "train siblings": "",
    "train adapters": "",
    "train adapters recomputing": "",
    "clone": "≤ 5 CPU s an update in bfloat16",
}


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield (what, measured, bar)."""
    for name, bar in BARS.items():
        command = [sys.executable, __file__, name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        yield f"language model: {name}", f"{found['speed']}, {found['memory']:.1f} GB", bar


def measure(name: str) -> dict[str, Any]:
    """Return the speed in CPU time, and the peak memory of this process in GB."""
    import torch

    from anchorgym.training.run.memory import reuse_memory

    torch.set_num_threads(1)
    reuse_memory()
    what, *how = name.split()
    model = build("135M", "cpu")
    if "adapters" in how:
        adapt(model, RANK)
    if what in ("prefill", "decode", "siblings"):
        speed = _generate(model, what, int(how[0]))
    elif what == "clone":
        speed = _clone(model)
    else:
        memory = {"recompute": "recomputing" in how, "packing": "packed" in how or None}
        rows = rows_of(model, *TRAINED, siblings="siblings" in how)
        speed = f"{training(model, rows, **memory):.0f} tokens/s"
    dtype = str(model.dtype).removeprefix("torch.")
    return {"speed": f"{speed} ({dtype})", "memory": peak_memory(model)}


def _generate(model: Any, what: str, episodes: int) -> str:
    from anchorgym.agents.engines.torch_engine import TorchEngine

    engine = TorchEngine(model, ())
    prompts = prompts_of(model, episodes, PROMPT, group=8 if what == "siblings" else 1)
    first = generation(engine, model, prompts, 1)
    if what != "decode":
        return f"{episodes * PROMPT / first:.0f} tokens/s"
    seconds = generation(engine, model, prompts, RESPONSE) - first
    return f"{episodes * (RESPONSE - 1) / seconds:.0f} tokens/s"


def _clone(model: Any) -> str:
    import torch

    from anchorgym.training.config.sections import CloneConfig
    from anchorgym.training.learning.cloning_learner import CloningLearner
    from anchorgym.training.learning.demonstrations import Demonstration

    generator = torch.Generator().manual_seed(1)
    rows = []
    for _ in range(8):
        row = Demonstration()
        for _ in range(5):
            row.read(torch.randint(0, 49152, (60,), generator=generator).tolist())
            done = torch.randint(0, 49152, (12,), generator=generator).tolist()
            row.write(done, done)
        rows.append(row)
    template = SimpleNamespace(name="chat")
    policy: Any = SimpleNamespace(model=model, template=template)
    config = CloneConfig(learning_rate=5e-5, matrix_learning_rate=0.0, observation_weight=0.0)
    learner = CloningLearner(policy, config, updates=10, seed=0)
    learner.update(rows, 0)
    began = time.process_time()
    learner.update(rows, 0)
    tokens = sum(len(row.tokens) for row in rows)
    return f"{time.process_time() - began:.1f} CPU s an update of {tokens} tokens"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    print(json.dumps(measure(sys.argv[1])))
