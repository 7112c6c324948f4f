"""The warm-up of a pretrained model: learning rates and numbers of updates of cloning.

    python docs/experiments/warmup.py run MODEL --seeds 0 1 --minutes 12
    python docs/experiments/warmup.py table

MODEL is the folder of a small chat model in Hugging Face format. It clones the expert of a corridor
of seven rooms, from six training tasks, with the settings that `anchorgym train` has for a
pretrained model but for the learning rate, in bfloat16. To save time an update has four turns in
place of eight, and prompts ask for no thoughts and show no past turns. Then the clone plays four
held-out tasks twice each, sampled at temperature 1. What ran is appended to
docs/experiments/warmup.jsonl as it comes, and is not run again; `--minutes` begins no further run
after so many CPU minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from lines import add_line, read_lines

from anchorgym.agents.engines.placing import placed_engines
from anchorgym.agents.policies.model import ModelPolicy, load_policy
from anchorgym.envs import Outcome, TextEnv, UnknownTaskError, make, register
from anchorgym.training import evaluate
from anchorgym.training.config.sections import CloneConfig
from anchorgym.training.imitation.cloning import Cloning
from anchorgym.training.imitation.demonstrations import demonstrations
from anchorgym.training.imitation.teachers import find_teacher
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.learning.usual import usual_clone
from anchorgym.training.rollout.types import Episode

RESULTS = Path(__file__).with_suffix(".jsonl")
WORLD = "experiments/Corridor-v0"
WAYS = {
    "train": tuple(f"3 to {room}" for room in (0, 1, 2, 4, 5, 6)),
    "test": ("1 to 5", "5 to 1", "2 to 6", "6 to 2"),
}
RATES = (2e-5, 5e-5, 1e-4)
UPDATES = (5, 15, 30)
SAMPLES = 2
BATCH = 4


@register(WORLD, max_turns=5)
class Corridor(TextEnv):
    """Seven rooms in a row: walk to the one that the goal names."""

    splits = tuple(WAYS)

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the tasks of a split."""
        return WAYS[split or self.split]

    def start(self, task: str) -> str:
        """Begin in the task's first room."""
        if not any(task in ways for ways in WAYS.values()):
            raise UnknownTaskError(task)
        self.at, self.target = int(task[0]), int(task[-1])
        self.goal = f"Go to room {self.target}."
        return f"You are in room {self.at}."

    def admissible_actions(self) -> tuple[str, ...]:
        """Return both ways."""
        return ("west", "east")

    def act(self, action: str) -> Outcome:
        """Walk one room."""
        if action not in self.admissible_actions():
            return Outcome("You can go west or east.", 0.0, self.won(), reason="no such way")
        self.at = max(0, min(6, self.at + (1 if action == "east" else -1)))
        return Outcome(f"You are in room {self.at}.", float(self.won()), self.won())

    def won(self) -> bool:
        """Whether the room is the one that is looked for."""
        return self.at == self.target

    def expert_action(self, kind: str = "honest") -> str:
        """Walk towards the room."""
        return "east" if self.at < self.target else "west"

    def save(self) -> int:
        """Return the room."""
        return self.at

    def load(self, state: int) -> None:
        """Restore the room."""
        self.at = state


def cloned(model: Path, rate: float, updates: int, seed: int) -> ModelPolicy:
    """Return a clone of the expert."""
    loaded = load_policy(model, engine=placed_engines(dtype="bfloat16"))
    policy = loaded.with_prompt(think=False, history=0)
    env = make(WORLD, split="train")
    teacher, _ = find_teacher(env, WAYS["train"])
    config = usual_clone(CloneConfig(learning_rate=rate, batch=BATCH), policy)

    def pool(number: int) -> Iterator[Demonstration]:
        return demonstrations(
            env,
            WAYS["train"],
            teacher,
            policy,
            noise=config.noise,
            max_tokens=policy.max_context,
            seed=f"{seed}/{number}",
        )

    with Cloning(policy, pool, config, updates=updates, seed=seed) as cloning:
        while cloning.done < updates:
            for _ in cloning.pool():
                pass
    cloning.learner.publish(policy.engine)
    return policy


def measured(model: Path, rate: float, updates: int, seed: int) -> dict[str, Any]:
    """Clone and play, and return a line of results."""
    begun = time.process_time()
    policy = cloned(model, rate, updates, seed)
    trained = time.process_time()
    episodes: list[Episode] = []
    found = evaluate(
        policy,
        WORLD,
        split="test",
        temperature=1.0,
        samples=SAMPLES,
        max_response=12,
        seed=seed,
        observe=episodes.extend,
    )
    turns = [turn for episode in episodes for turn in episode.turns]
    return {
        "rate": rate,
        "updates": updates,
        "seed": seed,
        "turns": len(turns),
        "valid": round(sum(turn.valid for turn in turns) / len(turns), 4),
        "success": round(found.success.mean, 4),
        "cpu_seconds": [round(trained - begun, 1), round(time.process_time() - trained, 1)],
    }


def run(model: Path, seeds: Sequence[int], minutes: float) -> None:
    """Run what is missing, all ways of a seed before those of the next."""
    torch.set_num_threads(1)
    done = {(line["rate"], line["updates"], line["seed"]) for line in read_lines(RESULTS)}
    ways = [(rate, n, seed) for seed in seeds for n in (0, *UPDATES) for rate in RATES]
    for rate, updates, seed in ways:
        if (rate, updates, seed) in done or (updates == 0 and rate != RATES[0]):
            continue
        if time.process_time() > 60 * minutes:
            return
        line = measured(model, rate, updates, seed)
        add_line(RESULTS, line)


def table() -> None:
    """Print valid turns and success of each way, by seed."""
    lines = read_lines(RESULTS)
    print("| updates | rate | valid turns, % | success, % |\n|---|---|---|---|")
    for updates, rate in sorted({(line["updates"], line["rate"]) for line in lines}):
        of = [line for line in lines if (line["updates"], line["rate"]) == (updates, rate)]
        valid, won = (
            " / ".join(f"{100 * line[name]:.0f}" for line in of) for name in ("valid", "success")
        )
        print(f"| {updates} | {rate if updates else '-'} | {valid} | {won} |")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("model", type=Path)
    runs.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    runs.add_argument("--minutes", type=float, default=12)
    commands.add_parser("table")
    known = parser.parse_args()
    if known.command == "run":
        run(known.model, known.seeds, known.minutes)
    else:
        table()


if __name__ == "__main__":
    main()
