"""Novelty bonuses, by hand and against counting one turn after another."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.gigpo import TurnBatch, novelty_bonus


def batch_of(trajectories: list[list[Any]], groups: list[int] | None = None) -> TurnBatch:
    groups = [0] * len(trajectories) if groups is None else groups
    rows = [
        (g, n, a)
        for g, (n, part) in zip(groups, enumerate(trajectories), strict=True)
        for a in part
    ]
    group, trajectory, anchor = zip(*rows, strict=True)
    return TurnBatch.from_rows(
        group=group, trajectory=trajectory, anchor=anchor, reward=np.zeros(len(rows))
    )


def test_by_hand() -> None:
    batch = batch_of([["a", "b", "b", "a"], ["a", "c"]])
    counts: dict[str, int] = {}
    r = 2**-0.5
    np.testing.assert_allclose(novelty_bonus(batch, "episodic", counts), [1, r, r, 0, 1, 0])
    assert sorted(counts.values()) == [1, 2, 3]
    # Seen twice now: b four times, a six times, c twice.
    found = novelty_bonus(batch, "global", counts)
    np.testing.assert_allclose(found, [0.5, 0.5, 6**-0.5, 0, r, 0])
    # Three times: b six, a nine, c three.
    found = novelty_bonus(batch, "product", counts)
    np.testing.assert_allclose(found, [6**-0.5, 12**-0.5, 18**-0.5, 0, 3**-0.5, 0])
    assert not novelty_bonus(batch, "none", counts).any()


def test_the_same_state_counts_in_all_groups_and_after_a_checkpoint() -> None:
    counts: dict[str, int] = {}
    novelty_bonus(batch_of([[b"x", b"y"], [b"x", b"y"]], [0, 1]), "global", counts)
    counts = json.loads(json.dumps(counts))
    found = novelty_bonus(batch_of([[b"x", b"y"]]), "global", counts)
    assert found.tolist() == [pytest.approx(3**-0.5), 0]


states = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=8), min_size=1, max_size=6)


@given(states, states, st.sampled_from(["episodic", "global", "product"]), st.randoms())
def test_equals_counting_turn_by_turn_in_any_order_of_rows(
    before: list[list[int]], now: list[list[int]], kind: Any, rng: Any
) -> None:
    counts: dict[str, int] = {}
    novelty_bonus(batch_of(before), kind, counts)
    total = Counter(state for part in (*before, *now) for state in part)
    expected = []
    for part in now:
        for t in range(len(part)):
            if t + 1 == len(part):
                expected.append(0.0)
                continue
            n = part[: t + 2].count(part[t + 1]) if kind != "global" else 1
            expected.append((n * (total[part[t + 1]] if kind != "episodic" else 1)) ** -0.5)
    batch = batch_of(now)
    rows = list(range(len(batch)))
    rng.shuffle(rows)
    np.testing.assert_allclose(
        novelty_bonus(batch.take(rows), kind, counts), np.array(expected)[rows]
    )
