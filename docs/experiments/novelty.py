"""Where which novelty bonus wins: two small contextual worlds, resumable, one line a run.

    python docs/experiments/novelty.py run
    python docs/experiments/novelty.py table

In `lock` all episodes take place in one context: a corridor of fourteen rooms, in each of which one
of three actions leads on and the others lead back to its beginning, ends at the only reward; next
to it lies a playground in which every action leads to a room that is new in the episode. In
`closets` the context changes with the task: six of the twelve closets along a corridor hold a key,
nobody can see which, and all six open the only reward, so that what pays is to look into one after
the other in every episode. A table of logits by room and last action learns with GiGPO, from
nothing but the reward and its bonus; what is measured is the reward alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from lines import add_line, read_lines

from anchorgym.gigpo import Counts, TurnBatch, make_algorithm, novelty_bonus
from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray
from anchorgym.gigpo.novelty import Novelty

RESULTS = Path(__file__).with_suffix(".jsonl")
WAYS: dict[str, tuple[Novelty, float]] = {
    "none": ("none", 0.0),
    "episodic": ("episodic", 0.1),
    "global": ("global", 0.1),
    "product": ("product", 0.1),
    "product, ten times": ("product", 1.0),
}
"""By name: the bonus and its weight. Counts of all training make a bonus small in the end."""
ACTIONS, GROUPS, SIZE = 3, 4, 8
LOCK, CLOSETS, HORIZON, ROOMS = 14, 12, 42, 64
RATE = 1.0


def lock(room: IntArray, action: IntArray) -> IntArray:
    """Room 0 has two ways: 1 to 14 are the corridor, from 20 on the playground."""
    onward = np.where(action == (5 * room) % ACTIONS, room + 1, 1)
    following = np.where(room >= 20, room + 1, onward)
    following[room == 0] = np.where(action == 0, 1, 20)[room == 0]
    return following


def closets(room: IntArray, action: IntArray) -> IntArray:
    """Rooms 0 to 11 are the corridor, 12 to 23 their closets: go on, look in or out, stay."""
    inside = room >= CLOSETS
    onward = np.where(inside, room, np.minimum(room + 1, CLOSETS - 1))
    through = np.where(inside, room - CLOSETS, room + CLOSETS)
    return np.choose(action, [onward, through, room])


WORLDS: dict[str, Callable[[IntArray, IntArray], IntArray]] = {"lock": lock, "closets": closets}
"""By name: (rooms, actions) of all episodes -> next rooms, all below `ROOMS`."""


def wanted(world: str, rng: np.random.Generator) -> BoolArray:
    """Draw which rooms must have been entered, (n_groups, n_rooms)."""
    rooms = np.zeros((GROUPS, ROOMS), np.bool_)
    if world == "lock":
        rooms[:, LOCK + 1] = True
    else:
        order = rng.permuted(np.tile(np.arange(CLOSETS, 2 * CLOSETS), (GROUPS, 1)), axis=1)
        np.put_along_axis(rooms, order[:, : CLOSETS // 2], True, 1)
    return rooms


def play(world: str, logits: FloatArray, rng: np.random.Generator) -> dict[str, Any]:
    """Play all groups at once; return the columns of their turns, and actions."""
    missing = np.repeat(wanted(world, rng), SIZE, axis=0)
    everyone = np.arange(len(missing))
    room, action = np.zeros_like(everyone), np.zeros_like(everyone)
    live = np.ones(len(everyone), np.bool_)
    parts = []
    for turn in range(HORIZON):
        read = ACTIONS * room + action
        action = (logits[read] + rng.gumbel(size=(len(room), ACTIONS))).argmax(1)
        following = WORLDS[world](room, action)
        missing[everyone, following] = False
        won = ~missing.any(1)
        taken = (everyone, np.full_like(room, turn), room, read, action, won)
        parts.append(np.stack([column[live] for column in taken]))
        live &= ~won
        room = following
    trajectory, turns, anchor, read, actions, reward = np.concatenate(parts, 1)
    group = trajectory // SIZE
    columns = {"trajectory": trajectory, "turn": turns, "anchor": anchor, "group": group}
    reward = reward.astype(np.float64)
    return {"columns": columns, "read": read, "actions": actions, "reward": reward}


def iterate(
    world: str, logits: FloatArray, way: str, counts: Counts, rng: np.random.Generator
) -> float:
    """Play groups, learn from them in place, and return their success."""
    played = play(world, logits, rng)
    columns, read, actions = played["columns"], played["read"], played["actions"]
    batch = TurnBatch.from_rows(reward=played["reward"], **columns)
    kind, weight = WAYS[way]
    batch = replace(batch, bonus=weight * novelty_bonus(batch, kind, counts))
    advantage = make_algorithm("gigpo", norm="mean").advantages(batch)
    share = np.exp(logits - logits.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    gradient = np.zeros_like(logits)
    np.add.at(gradient, (read, actions), advantage)
    np.add.at(gradient, read, -advantage[:, None] * share[read])
    logits += RATE * gradient / (GROUPS * SIZE) ** 0.5
    return float(played["reward"].sum() / (GROUPS * SIZE))


def run(seeds: list[int], iterations: int) -> None:
    """Run what is missing."""
    done = {(line["world"], line["kind"], line["seed"]) for line in read_lines(RESULTS)}
    for seed in seeds:
        for world in WORLDS:
            for kind in WAYS:
                if (world, kind, seed) in done:
                    continue
                rng = np.random.default_rng(seed)
                logits, counts = np.zeros((ACTIONS * ROOMS, ACTIONS)), Counts()
                success = [iterate(world, logits, kind, counts, rng) for _ in range(iterations)]
                tenth = iterations // 10
                line = {
                    "world": world,
                    "kind": kind,
                    "seed": seed,
                    "iterations": iterations,
                    "success": [
                        round(float(np.mean(success[i : i + tenth])), 4)
                        for i in range(0, iterations, tenth)
                    ],
                }
                add_line(RESULTS, line)


def table() -> str:
    """Return mean success, and that of every seed, in the last tenth of training."""
    rows = ["| bonus | lock | its seeds | closets | its seeds |", "|---|---|---|---|---|"]
    for kind in WAYS:
        cells = [kind]
        for world in WORLDS:
            lines = [r for r in read_lines(RESULTS) if (r["world"], r["kind"]) == (world, kind)]
            last = [line["success"][-1] for line in lines]
            cells += [f"{np.mean(last):.2f}", " ".join(f"{value:.2f}" for value in last)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=("run", "table"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--iterations", type=int, default=200)
    known = parser.parse_args()
    if known.command == "run":
        run(known.seeds, known.iterations)
    else:
        print(table())


if __name__ == "__main__":
    main()
