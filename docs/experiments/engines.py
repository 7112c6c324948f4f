"""Whether a run depends on the engine that writes its responses: resumable, one line a run.

    make test-vllm                                            # installs vLLM in .venv-vllm
    .venv-vllm/bin/python docs/experiments/engines.py run --seeds 0 1 2 3 4
    python docs/experiments/engines.py table

The same job runs with the engine `torch` and with the engine `vllm`, in float32: a policy of two
layers with heads of 64 numbers clones an expert for a short while, then learns with GiGPO to fetch
a key and to open a door. The two engines draw other random numbers, so that runs of one seed differ
as those of two seeds do; what is compared is where they end.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lines import add_line, read_lines
from rich.console import Console

from anchorgym.envs import Outcome, TextEnv, UnknownTaskError, register
from anchorgym.training import Run, RunFinishedError, TrainConfig, train

RESULTS = Path(__file__).with_suffix(".jsonl")
ENGINES = ("torch", "vllm")
WORLD = "engines/Errands-v0"
ERRANDS = tuple(f"key {key} door {door}" for key in range(6) for door in range(6) if key != door)
ITERATIONS = 15


@register(WORLD, max_turns=16)
class Errands(TextEnv):
    """A row of six places: take the key at one of them, open the door at another."""

    splits, stochastic = ("train", "valid", "test"), False

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the tasks of a split, every fifth of which is kept for validation and tests."""
        parts = {"valid": ERRANDS[::10], "test": ERRANDS[5::10]}
        held_out = {task for part in parts.values() for task in part}
        parts["train"] = tuple(task for task in ERRANDS if task not in held_out)
        return parts[self.split if split is None else split]

    def start(self, task: str) -> str:
        """Begin in the middle."""
        if task not in ERRANDS:
            raise UnknownTaskError(task, ERRANDS)
        _, key, _, door = task.split()
        self.key, self.door, self.at = int(key), int(door), 3
        self.has_key, self.open = False, False
        self.goal = f"Take the key at place {key} and open the door at place {door}."
        return "You are at place 3."

    def admissible_actions(self) -> tuple[str, ...]:
        """Return the ways, and what can be done at this place."""
        take = ("take key",) if self.at == self.key and not self.has_key else ()
        opens = ("open door",) if self.at == self.door and self.has_key else ()
        return ("west", "east", *take, *opens)

    def act(self, action: str) -> Outcome:
        """Walk, take or open."""
        if action not in self.admissible_actions():
            return Outcome("Nothing happens.", terminated=self.open, reason="not possible here")
        self.open = self.open or action == "open door"
        self.has_key = self.has_key or action == "take key"
        self.at = min(max(self.at + {"west": -1, "east": 1}.get(action, 0), 0), 5)
        return Outcome(f"You are at place {self.at}.", float(self.open), self.open)

    def expert_action(self, kind: str = "honest") -> str:
        """Return the shortest way's action, which the goal gives away."""
        target = self.door if self.has_key else self.key
        if self.at != target:
            return "west" if self.at > target else "east"
        return "open door" if self.has_key else "take key"

    def won(self) -> bool:
        """Whether the door is open."""
        return self.open

    def save(self) -> Any:
        """Return what changes."""
        return [self.at, self.has_key, self.open]

    def load(self, state: Any) -> None:
        """Restore it."""
        self.at, self.has_key, self.open = state


def settings(engine: str, seed: int) -> TrainConfig:
    """Return the job of an engine and a seed."""
    return TrainConfig.parse(
        {
            "env": WORLD,
            "seed": seed,
            "engine": {"name": engine},
            "device": "cpu",
            "dtype": "float32",
            "policy": {"hidden": 128, "layers": 2, "heads": 2, "kv_heads": 1},
            "clone": {"updates": 150, "batch": 8},
            "rollout": {"iterations": ITERATIONS, "tasks": 6, "group_size": 8},
            "learner": {"learning_rate": 2e-4},
            "evaluation": {"every": ITERATIONS, "modes": ["sampled"]},
        }
    )


def finished(engine: str, seed: int, folder: Path) -> dict[str, Any]:
    """Bring a run to its end, wherever it is, and return its line of results."""
    try:
        run: Run = train(settings(engine, seed), folder, Console(), resume=True)
        folder = run.folder
    except RunFinishedError:
        pass
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    records = [json.loads(line) for line in (folder / "metrics.jsonl").open(encoding="utf-8")]
    steps = [record for record in records if record["phase"] == "train"]
    return {
        "engine": engine,
        "seed": seed,
        "success": [round(step["success"], 4) for step in steps],  # of training episodes
        "cpu_seconds": result["cpu_seconds"],
        "wall_seconds": result["wall_seconds"],
    }


def run(seeds: Sequence[int], folder: Path) -> None:
    """Run what is missing."""
    done = {(line["engine"], line["seed"]) for line in read_lines(RESULTS)}
    for seed in seeds:
        for engine in ENGINES:
            if (engine, seed) not in done:
                line = finished(engine, seed, folder / f"engines-{engine}-s{seed}")
                add_line(RESULTS, line)


def table() -> Iterator[str]:
    """Yield the lines of a table: success in the last third of training, by seed."""
    found = {
        (line["engine"], line["seed"]): float(np.mean(line["success"][-ITERATIONS // 3 :]))
        for line in read_lines(RESULTS)
    }
    seeds = sorted({seed for _, seed in found if all((e, seed) in found for e in ENGINES)})
    yield f"| seed | {' | '.join(ENGINES)} |"
    yield "|---|---|---|"
    for seed in seeds:
        yield f"| {seed} | {' | '.join(f'{found[engine, seed]:.3f}' for engine in ENGINES)} |"
    if len(seeds) > 1:
        ends = {engine: np.array([found[engine, seed] for seed in seeds]) for engine in ENGINES}
        for engine, values in ends.items():
            yield f"{engine}: mean {values.mean():.3f}, spread over seeds {values.std(ddof=1):.3f}"
        gaps = ends["vllm"] - ends["torch"]
        error = gaps.std(ddof=1) / len(gaps) ** 0.5
        yield f"vllm minus torch: {gaps.mean():+.3f}, standard error {error:.3f}"


def main() -> None:
    """Run, or print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.what == "run":
        run(given.seeds, given.runs)
    else:
        print("\n".join(table()))


if __name__ == "__main__":
    main()
