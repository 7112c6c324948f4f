"""What judging kinds of actions costs and saves: bias and variance in states of ALFWorld.

    python docs/experiments/action_groups.py run
    python docs/experiments/action_groups.py table

In states that an expert with mistakes reaches, every admissible action is tried many times; the
expert with its mistakes plays on, from the restored state, and the discounted outcome is the
action's return. Its mean is the truth. Then step groups are drawn: n turns in one state, each with
a random action and one of its returns. What `action_groups` makes of a turn, for a member weight,
is compared with the truth: how far off it is on average (bias), and how much it scatters. One line
of results a state, appended as they come.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
from lines import add_line, read_lines

from anchorgym.envs import TextEnv, make
from anchorgym.gigpo import TurnBatch
from anchorgym.gigpo.algorithms.action_groups import of_kinds
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.training.learning.columns import action_kind

RESULTS = Path(__file__).with_suffix(".jsonl")
MISTAKES, GAMMA, LIMIT = 0.3, 0.95, 30
TRIES, DRAWS = 40, 400
SIZES, WEIGHTS = (4, 8, 16, 64), (0.0, 0.5, 1.0)


def play_on(env: TextEnv, admissible: tuple[str, ...], rng: random.Random) -> float:
    """Play to the end as the expert with mistakes does; return the discounted outcome."""
    discount = 1.0
    while True:
        wrong = rng.random() < MISTAKES
        action = rng.choice(admissible) if wrong else env.expert_action("honest")
        _, reward, ended, cut, info = env.step(action)
        if ended or cut:
            return discount * reward
        admissible, discount = info["admissible_actions"], GAMMA * discount


def returns_of(env: TextEnv, task: str, rng: random.Random) -> dict[str, list[float]]:
    """Go to a chance state of a task, and return what every action there brings, try by try."""
    _, info = env.reset(seed=0, options={"task": task})
    for _ in range(rng.randint(1, 6)):
        wrong = rng.random() < MISTAKES
        action = rng.choice(info["admissible_actions"]) if wrong else env.expert_action("honest")
        _, _, ended, _, info = env.step(action)
        if ended:
            return {}
    here, found = env.snapshot(), defaultdict(list)
    for action in info["admissible_actions"]:
        for _ in range(TRIES):
            env.restore(here)
            _, reward, ended, cut, after = env.step(action)
            rest = 0.0 if ended or cut else play_on(env, after["admissible_actions"], rng)
            found[action].append(reward + GAMMA * rest)
    return dict(found)


def errors(returns: dict[str, list[float]], n: int, rng: np.random.Generator) -> FloatArray:
    """Return squared bias and variance, (2, n_weights), of what a turn's step advantage says."""
    kinds = np.array([action_kind(action) for action in returns])
    tries = np.array(list(returns.values()))
    truth = tries.mean(1) - tries.mean()
    action = rng.integers(len(kinds), size=(DRAWS, n))
    reward = tries[action, rng.integers(tries.shape[1], size=(DRAWS, n))]
    group = np.repeat(np.arange(DRAWS), n)
    batch = TurnBatch.from_rows(
        group=group,
        trajectory=np.arange(DRAWS * n),
        anchor=group,
        reward=reward.ravel(),
        kind=kinds[action.ravel()],
    )
    own = (reward - reward.mean(1, keepdims=True)).ravel()
    shared = of_kinds(batch, own)
    found = []
    for weight in WEIGHTS:
        estimate = shared + weight * (own - shared)
        count = np.bincount(action.ravel(), minlength=len(kinds))
        mean = np.bincount(action.ravel(), estimate, len(kinds)) / np.maximum(count, 1)
        square = np.bincount(action.ravel(), estimate**2, len(kinds)) / np.maximum(count, 1)
        share = count / count.sum()
        found.append((share @ (mean - truth) ** 2, share @ (square - mean**2)))
    return np.array(found).T


def run(states: int) -> None:
    """Measure in states that are missing."""
    env = make("anchorgym/ALFWorld-v0", max_turns=LIMIT)
    panel = env.tasks()
    for number in range(len(read_lines(RESULTS)), states):
        rng = random.Random(number)
        returns: dict[str, list[float]] = {}
        while not returns:
            returns = returns_of(env, panel[rng.randrange(len(panel))], rng)
        noise = np.random.default_rng(number)
        line = {
            "state": number,
            "actions": len(returns),
            "kinds": len({action_kind(action) for action in returns}),
            "value": round(float(np.mean(list(returns.values()))), 4),
            "errors": {str(n): errors(returns, n, noise).tolist() for n in SIZES},
        }
        add_line(RESULTS, line)


def table() -> str:
    """Return root mean squares over states, times 1,000."""
    names = [f"weight {weight:g}: bias / scatter / both" for weight in WEIGHTS]
    rows = [f"| turns | {' | '.join(names)} |", "|---|" + "---|" * len(WEIGHTS)]
    for n in SIZES:
        bias, scatter = np.mean([line["errors"][str(n)] for line in read_lines(RESULTS)], axis=0)
        cells = [
            " / ".join(f"{1000 * np.sqrt(part):.0f}" for part in (b, s, b + s))
            for b, s in zip(bias, scatter, strict=True)
        ]
        rows.append(f"| {n} | {' | '.join(cells)} |")
    actions = np.mean([line["actions"] for line in read_lines(RESULTS)])
    kinds = np.mean([line["kinds"] for line in read_lines(RESULTS)])
    rows.append(
        f"\n{len(read_lines(RESULTS))} states of {actions:.0f} actions of {kinds:.1f} kinds."
    )
    return "\n".join(rows)


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=("run", "table"))
    parser.add_argument("--states", type=int, default=40)
    known = parser.parse_args()
    if known.command == "run":
        run(known.states)
    else:
        print(table())


if __name__ == "__main__":
    main()
