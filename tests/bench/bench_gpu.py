"""Language models on a GPU: tokens a second, memory, and where the time of an iteration goes.

    python tests/bench/bench_gpu.py --out gpu.jsonl                 # at most 12 minutes
    python tests/bench/bench_gpu.py --rehearse --out rehearsal.jsonl    # tiny models, on a CPU

Models have the shapes of Qwen2.5 (.5 B, 1.5 B, 7 B) and random weights, so nothing is downloaded.
Each measurement has a process of its own, which can run out of memory or time without harm to the
others. What is in the file already is not measured again; what was left out is.

`make gpu` runs the tests of devices first. Any Python that has the dependencies can do both without
an installation, from the checkout:

    mkdir -p .typing && ln -sfn .. .typing/anchorgym
    export PYTHONPATH=.typing
    python -m pytest -m gpu $(find tests -name test_devices.py)
    python tests/bench/bench_gpu.py --out gpu.jsonl
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from language_models import (
    adapt,
    build,
    generation,
    peak_memory,
    prompts_of,
    rows_of,
    training,
)

HERE = Path(__file__).parent
SIZES = {"episodes": 128, "read": 512, "written": 64, "rows": 32, "row": (1024, 256)}
REHEARSAL = {"episodes": 4, "read": 24, "written": 4, "rows": 3, "row": (96, 16)}
RANK = 32
"""Rank of the adapters (LoRA)."""
GROUPS = {"tasks": 16, "group_size": 8, "max_turns": 50}
FEW = {"tasks": 2, "group_size": 2, "max_turns": 3}
"""Sizes of the iteration of GiGPO, and those of its rehearsal."""


def plan(rehearse: bool) -> Iterator[tuple[str, str, int]]:
    """Yield (measurement, shape, most seconds), the most important first."""
    shapes = ("tiny",) if rehearse else ("0.5B", "1.5B", "7B")
    yield "iteration", shapes[min(1, len(shapes) - 1)], 300
    for shape in shapes:
        yield "torch engine", shape, 90
        yield "train", shape, 90
        yield "train adapters", shape, 90
        yield "vllm engine", shape, 120


def measure(name: str, shape: str, rehearse: bool) -> dict[str, Any]:
    """Return the figures of one measurement."""
    sizes: dict[str, Any] = REHEARSAL if rehearse else SIZES
    if name == "iteration":
        return _iteration(shape, FEW if rehearse else GROUPS)
    model = build(shape)
    if name.endswith("engine"):
        return _generation(name, model, sizes)
    if name.endswith("adapters"):
        adapt(model, RANK)
    speed = training(model, rows_of(model, sizes["rows"], *sizes["row"]))
    return {"tokens_per_second": round(speed), "memory": peak_memory(model)}


def _generation(name: str, model: Any, sizes: dict[str, Any]) -> dict[str, Any]:
    """Return the tokens read and written a second; the first batch warms the engine up."""
    from anchorgym.agents.engines import ServedModel, engine_factory

    episodes, read, written = sizes["episodes"], sizes["read"], sizes["written"]
    factory = engine_factory(name.split()[0])
    with tempfile.TemporaryDirectory() as folder:
        tokenizer, place = _tokenizer(), None
        if name != "torch engine":  # which reads no files
            place = Path(folder)
            model.save_pretrained(place)
            tokenizer.save_pretrained(place)
        engine = factory.make(ServedModel(model, tokenizer, (model.config.vocab_size - 1,), place))
        generation(engine, model, prompts_of(model, episodes, 16), 2)
        prompts = prompts_of(model, episodes, read)
        first = generation(engine, model, prompts, 1)
        prompts = [prompt[::-1] for prompt in prompts]  # nothing of them is cached
        rest = generation(engine, model, prompts, written) - first
    return {
        "prefill": round(episodes * read / first),
        "decode": round(episodes * (written - 1) / rest),
        "memory": peak_memory(model),
    }


def _iteration(shape: str, groups: dict[str, int]) -> dict[str, Any]:
    """Return the shares of time of one iteration of GiGPO in ALFWorld, by phase."""
    from anchorgym.agents.policies.model import ModelPolicy
    from anchorgym.agents.policies.prompt_settings import PromptSettings
    from anchorgym.training import TrainConfig, train

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = _tokenizer()
        model = build(shape)
        prompt = PromptSettings.for_chat().model_copy(update={"max_response": 32})
        ModelPolicy(model, tokenizer, prompt).save(Path(folder) / "policy")
        del model
        config = {
            "env": {"id": "anchorgym/ALFWorld-v0", "max_turns": groups["max_turns"]},
            "policy": {"name": f"{folder}/policy"},
            # No random model wins: what tells its turns apart is a bonus for what they see first.
            "algorithm": {"name": "gigpo", "exploration": "episodic"},
            "rollout": {"iterations": 1, **groups},
            "evaluation": {"tasks": 1, "validation_tasks": 1, "every": 2},
            "checkpoint": {"seconds": 10**6},
        }
        run = train(TrainConfig.parse(config), Path(folder) / "run")
        seconds = {k: v for k, v in run.wall_seconds.items() if k in PHASES}
        lines = (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()
    (figures,) = [found for found in map(json.loads, lines) if found["phase"] == "train"]
    total = sum(seconds.values())
    return {
        "seconds": round(total, 1),
        "shares": {name: round(spent / total, 4) for name, spent in seconds.items()},
        "turns": figures["environment_turns"],
        "generated_tokens": figures["generated_tokens"],
        "memory": peak_memory(run.policy.model),
    }


PHASES = ("environment", "prompts", "generation", "advantages", "update")
"""Phases of an iteration, by the name of their timer."""


def _tokenizer() -> Any:
    """Return a byte-level tokenizer of 512 tokens made of ALFWorld's texts, with a chat format.

    Models have more tokens; what they write beyond the tokenizer's reads as nothing.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from anchorgym.envs import make

    env = make("anchorgym/ALFWorld-v0")
    texts = [env.reset(options={"task": task})[0] for task in env.tasks()[:200]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    fast.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return fast


def run(out: Path, minutes: float, rehearse: bool) -> None:
    """Measure what a file lacks, as far as there is time, and print each line of it."""
    before = _lines(out)
    done = {(d["what"], d["shape"]) for d in before if "left_out" not in d}
    deadline = time.monotonic() + 60 * minutes
    for what, shape, most in plan(rehearse):
        if (what, shape) in done:
            continue
        left = deadline - time.monotonic()
        found: dict[str, Any] = {"what": what, "shape": shape}
        if left < 20:
            found["left_out"] = "no time was left"
        elif what == "vllm engine" and find_spec("vllm") is None:
            found["left_out"] = "vllm is not installed"
        else:
            found |= _in_a_process(what, shape, min(left, most), rehearse)
        if found not in before:
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
        print(json.dumps(found), flush=True)


def _in_a_process(what: str, shape: str, seconds: float, rehearse: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", what, shape]
    command += ["--rehearse"] if rehearse else []
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"failed": f"it took longer than {seconds:.0f} seconds"}
    spent = {"wall": round(time.monotonic() - began, 1)}
    if done.returncode:
        return {"failed": done.stderr.strip()[-400:], **spent}
    return {**json.loads(done.stdout.splitlines()[-1]), **spent}


def _lines(out: Path) -> list[dict[str, Any]]:
    if not out.exists():
        return []
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Run the plan, or one measurement of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="file of JSON lines that results are appended to")
    parser.add_argument("--minutes", type=float, default=11, help="time for all of it")
    parser.add_argument("--rehearse", action="store_true", help="tiny models, a few turns")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "SHAPE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(*given.measure, given.rehearse)))
    elif given.out is None:
        parser.error("give a file as --out")
    else:
        run(given.out, given.minutes, given.rehearse)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
