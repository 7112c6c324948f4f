"""Advantages of a batch: milliseconds for an iteration's turns, and linear to a million."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from anchorgym.gigpo import (
    TextColumns,
    TokenColumns,
    TurnBatch,
    advantages,
    algorithm_names,
    make_algorithm,
    step_groups,
)

TURNS = 50
GROUP_SIZE = 8
ROUNDS = 7


def columns(n_turns: int, turns: int = TURNS) -> dict[str, Any]:
    """Rows of groups of eight trajectories that wander through forty states."""
    random = np.random.default_rng(0)
    trajectory = np.arange(n_turns) // turns
    last = np.arange(n_turns) % turns == turns - 1
    states = random.integers(0, 40, n_turns)
    return {
        "group": [f"task {i}" for i in trajectory // GROUP_SIZE],
        "trajectory": [f"episode {i}" for i in trajectory],
        "anchor": [f"You are in room {i}. You see a mug {i} and a door." for i in states],
        "reward": np.where(last, 10.0 * (random.random(n_turns) < 0.5), 0.0),
        "valid": random.random(n_turns) < 0.9,
    }


def best(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Least CPU seconds of a call."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)


def estimate(rows: dict[str, Any], rounds: int = ROUNDS) -> float:
    """Least CPU seconds of GiGPO's advantages on a batch of these rows."""
    batch = TurnBatch.from_rows(**rows)
    return best(
        lambda: advantages(
            "gigpo", batch, gamma=0.95, step_weight=1.0, norm="mean_std", invalid_penalty=0.1
        ),
        rounds,
    )


def with_tokens(batch: TurnBatch, length: int = 8) -> TurnBatch:
    """The batch with responses of so many tokens."""
    random = np.random.default_rng(1)
    n_tokens = len(batch) * length
    tokens = TokenColumns(
        np.arange(len(batch) + 1) * length, -random.random(n_tokens), random.random(n_tokens)
    )
    return replace(batch, tokens=tokens)


def with_texts(batch: TurnBatch, rows: dict[str, Any]) -> TurnBatch:
    """The batch with an observation and an action of each turn."""
    actions = [f"go to room {i % 40}" for i in range(len(batch))]
    return replace(batch, texts=TextColumns(tuple(rows["anchor"]), tuple(actions)))


def forked(n_turns: int, turns: int = TURNS) -> dict[str, Any]:
    """Rows of which every other trajectory left the one before it half-way."""
    rows = columns(n_turns, turns)
    number = np.arange(n_turns) // turns
    odd = number % 2 == 1
    rows["turn"] = np.arange(n_turns) % turns + np.where(odd, turns // 2, 0)
    rows["parent"] = [f"episode {i - 1}" if i % 2 else None for i in number.tolist()]
    return rows


def forks_of_forks(n: int) -> dict[str, Any]:
    """Rows in which every trajectory left the second turn of the one before."""
    return {
        "group": [0] * 2 * n,
        "trajectory": [i // 2 for i in range(2 * n)],
        "anchor": range(2 * n),
        "reward": [0.0] * 2 * n,
        "turn": [i // 2 + i % 2 for i in range(2 * n)],
        "parent": [None, None, *(i // 2 - 1 for i in range(2, 2 * n))],
    }


def family() -> list[tuple[str, str, str]]:
    """Return (what, measured, bar) for every algorithm on 64,000 turns."""
    made = columns(64_000)
    plain = TurnBatch.from_rows(**made)
    tokens, texts = with_tokens(plain), with_texts(plain, made)
    batches = {"tokens": tokens, "entropies": tokens, "texts": texts}
    table = []
    for name in algorithm_names():
        algorithm = make_algorithm(name)
        need = min(algorithm.needs, default="")
        batch = batches.get(need, plain)
        seconds = best(lambda a=algorithm, b=batch: a.advantages(replace(b), a.initial_state()), 3)  # type: ignore[misc]
        what = f"{name}, 64,000 turns" + (f" with {need}" if need else "")
        table.append((what, f"{seconds * 1e3:.1f} ms", "" if need else "<= 100 ms"))
    trees = TurnBatch.from_rows(**forked(64_000))
    for options in ({"mode": "tree"}, {"values": "forks"}):
        spo = make_algorithm("spo", **options)
        seconds = best(lambda a=spo: a.advantages(replace(trees)), 3)  # type: ignore[misc]
        what = f"spo, {' '.join(options.values())}, 64,000 turns, half in forks"
        table.append((what, f"{seconds * 1e3:.1f} ms", "<= 100 ms"))
    deep = TurnBatch.from_rows(**forks_of_forks(4_000))
    for name, chosen in (("spo", {"mode": "tree"}), ("hgpo", {})):
        algorithm = make_algorithm(name, **chosen)
        seconds = best(lambda a=algorithm: a.advantages(replace(deep)), 3)  # type: ignore[misc]
        table.append((f"{name}, 4,000 forks of forks", f"{seconds * 1e3:.1f} ms", "<= 300 ms"))
    return table


def rows() -> list[tuple[str, str, str]]:
    """Return (what, measured, bar) for building batches and estimating advantages."""
    small, medium, large = columns(6_400), columns(64_000), columns(1_000_000)
    batch = TurnBatch.from_rows(**small)
    table = [("from_rows, 6,400 turns", best(lambda: TurnBatch.from_rows(**small)), "")]
    table += [("advantages, 6,400 turns", estimate(small), "<= 5 ms")]
    table += [("advantages, 64,000 turns", estimate(medium), "")]
    table += [("advantages, 1,000,000 turns", estimate(large, 3), "")]
    one_long = estimate(columns(1_000_000, 1_000_000), 3)
    table += [("advantages, one trajectory of 1,000,000 turns", one_long, "")]
    reference = best(lambda: advantages("gigpo", batch, compat="verl-agent"))
    table += [("advantages, 6,400 turns, compat", reference, "")]
    table += [("similarity 0.9, 6,400 turns", best(lambda: step_groups(batch, 0.9), 3), "")]
    growth = table[3][1] / table[2][1] / (1_000_000 / 64_000)
    rows = [(what, f"{seconds * 1e3:.2f} ms", bar) for what, seconds, bar in table]
    return [
        *rows,
        ("time a turn, 1,000,000 over 64,000 turns", f"{growth:.2f}x", "<= 3x"),
        *family(),
    ]
