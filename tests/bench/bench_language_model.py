"""Generation and training with a language model of the size of SmolLM2-135M, with random weights.

Each figure comes from a process of its own, which tells its peak memory. The data type is bfloat16
where the processor computes in it, and float32 elsewhere.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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

    torch.set_num_threads(1)
    what, *how = name.split()
    model, dtype = smollm()
    if "adapters" in how:
        from anchorgym.agents.policies.adapters import Adapters, attach, linear_layers

        attach(model, Adapters(RANK, 32, linear_layers(model, "all-linear")))
    if what in ("prefill", "decode", "siblings"):
        speed = _generate(model, what, int(how[0]))
    elif what == "clone":
        speed = _clone(model)
    else:
        speed = _train(model, recompute="recomputing" in how, packing="packed" in how)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"speed": f"{speed} ({str(dtype).removeprefix('torch.')})", "memory": peak}


def smollm() -> tuple[Any, Any]:
    """Return a model of random weights, and its data type."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from anchorgym.agents.engines.placing import has_fast_bfloat16

    torch.manual_seed(0)
    dtype = torch.bfloat16 if has_fast_bfloat16(torch.device("cpu")) else torch.float32
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config).to(dtype).eval(), dtype


def _generate(model: Any, what: str, episodes: int) -> str:
    import torch

    from anchorgym.agents import Sampling
    from anchorgym.agents.engines.torch_engine import TorchEngine

    engine = TorchEngine(model, ())
    generator = torch.Generator().manual_seed(1)
    group = 8 if what == "siblings" else 1
    prompts = torch.randint(0, 49152, (episodes // group, PROMPT), generator=generator).tolist()
    longest = RESPONSE if what == "decode" else 1
    spent = []
    for response in (1, longest) if longest > 1 else (longest,):
        began = time.process_time()
        for i in range(episodes):
            engine.submit(i, prompts[i // group], Sampling(response, seed=i))
        while engine.waiting:
            engine.poll()
        spent.append(time.process_time() - began)
        for i in range(episodes):
            engine.free(i)
    if what == "decode":
        seconds = spent[1] - spent[0]
        return f"{episodes * (RESPONSE - 1) / seconds:.0f} tokens/s"
    return f"{episodes * PROMPT / spent[0]:.0f} tokens/s"


def _train(model: Any, **memory: bool) -> str:
    import torch

    from anchorgym.gigpo import make_algorithm
    from anchorgym.training.config.sections import LearnerConfig
    from anchorgym.training.learning.language_learner import LanguageLearner
    from anchorgym.training.learning.rows import TokenRow

    n, read, written = TRAINED
    generator = torch.Generator().manual_seed(1)
    lengths = [read + written - 40 * (i % 3) for i in range(n)]
    rows = [
        TokenRow(
            torch.randint(0, 49152, (length,), generator=generator).tolist(),
            [False] * (length - written) + [True] * written,
            [-10.8] * written,
            [1.0 - 2 * (i % 2)] * written,
            [()] * written,
            [0] * written,
        )
        for i, length in enumerate(lengths)
    ]
    policy: Any = SimpleNamespace(model=model, engine=SimpleNamespace(version=0))
    config = LearnerConfig(minibatch=n, learning_rate=1e-6, **memory)  # type: ignore[arg-type]
    learner = LanguageLearner(policy, make_algorithm("grpo", kl_coef=0.0), config, temperature=1.0)
    learner.update(rows[:2], 0)
    began = time.process_time()
    learner.update(rows, 0)
    return f"{sum(lengths) / (time.process_time() - began):.0f} tokens/s"


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
    config = CloneConfig(observation_weight=0.0)
    learner = CloningLearner(policy, config, updates=10, seed=0)
    learner.update(rows[:2], 0)
    began = time.process_time()
    learner.update(rows, 0)
    tokens = sum(len(row.tokens) for row in rows)
    return f"{time.process_time() - began:.1f} CPU s an update of {tokens} tokens"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    print(json.dumps(measure(sys.argv[1])))
