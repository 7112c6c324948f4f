"""Batches that `check_algorithm` tries, as plain columns that can be put in another order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.columns import TextColumns, TokenColumns

Rows = dict[str, list[Any]]
Random = np.random.Generator

EXTREME = (0.0, 1.0, 10.0, -0.1, 10.1, 1e300, -1e300, 1e-300, 5e-324, 1e9)


def batch_of(rows: Rows, order: Sequence[int] | None = None) -> TurnBatch:
    """Build the batch of these rows, in this order."""
    order = range(len(rows["group"])) if order is None else order
    columns = {name: [column[i] for i in order] for name, column in rows.items()}
    tokens = TokenColumns.from_rows(columns.pop("logprobs"), columns.pop("entropies"))
    texts = TextColumns(tuple(columns.pop("observation")), tuple(columns.pop("action")))
    return TurnBatch.from_rows(**columns, tokens=tokens, texts=texts)


def sampled(
    random: Random,
    *,
    groups: int = 4,
    members: int = 4,
    turns: int = 5,
    states: int = 4,
    forks: bool = False,
    reward: Callable[[Random], float] = lambda random: float(random.random() < 0.3),
) -> Rows:
    """Rows of groups whose trajectories wander through a few states.

    Args:
        random: draws everything.
        groups: the number of groups.
        members: trajectories of a group, from 1 to this.
        turns: of a trajectory, from 1 to this.
        states: that a group meets; 0 for states that are all different.
        forks: whether some trajectories have another that left them.
        reward: of a turn.
    """
    rows: Rows = {name: [] for name in _COLUMNS}
    for group in range(groups):
        for member in range(int(random.integers(1, members + 1))):
            length = int(random.integers(1, turns + 1))
            name = f"{group}/{member}"
            _append(rows, random, group, name, None, range(length), states, reward)
            if forks and random.random() < 0.5:
                first = int(random.integers(length))
                later = range(first, first + int(random.integers(1, turns + 1)))
                _append(rows, random, group, f"{name}/fork", name, later, states, reward)
                rows["anchor"][-len(later)] = rows["anchor"][-len(later) - length + first]
    return rows


def one_turn_each(random: Random, *, groups: int = 4, members: int = 5) -> Rows:
    """Rows of groups whose trajectories have one turn."""
    return sampled(random, groups=groups, members=members, turns=1, states=2)


def lengthened(rows: Rows, trajectory: str, turns: int) -> Rows:
    """The rows with more turns before those of one trajectory, in states that nobody else meets.

    They pay nothing, so that it takes longer to the same end; its other turns keep their states.
    """
    row = rows["trajectory"].index(trajectory)
    longer: Rows = {name: list(column) for name, column in rows.items()}
    for turn in range(turns):
        for name, column in longer.items():
            column.append(rows[name][row])
        longer["anchor"][-1] = f"on the way {turn}"
        longer["reward"][-1] = 0.0
        longer["turn"][-1] = turn - turns
        longer["valid"][-1] = True
    return longer


_COLUMNS = (
    *("group", "trajectory", "anchor", "reward", "valid", "turn", "parent", "role"),
    *("logprobs", "entropies", "observation", "action"),
)


def _append(
    rows: Rows,
    random: Random,
    group: int,
    name: str,
    parent: str | None,
    numbers: range,
    states: int,
    reward: Callable[[Random], float],
) -> None:
    for number in numbers:
        n_tokens = int(random.integers(0, 4))
        state = f"{random.integers(states)}" if states else f"{name} {number}"
        values = {
            "group": group,
            "trajectory": name,
            "anchor": state,
            "reward": reward(random),
            "valid": bool(random.random() < 0.9),
            "turn": number,
            "parent": parent,
            "role": "ab"[len(name) % 2],
            "logprobs": (-random.exponential(size=n_tokens)).tolist(),
            "entropies": random.exponential(size=n_tokens).tolist(),
            "observation": f"You are in room {state}.\nIt is turn {number}.",
            "action": f"go {n_tokens}",
        }
        for column, value in values.items():
            rows[column].append(value)
