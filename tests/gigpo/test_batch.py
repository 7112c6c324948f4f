"""Ids of any kind become codes; columns that do not fit are refused by name."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from anchorgym.gigpo import TurnBatch, advantages, group_statistics, step_groups
from anchorgym.gigpo import errors as e

ROWS: dict[str, Any] = {
    "group": ["g", "g", "h"],
    "trajectory": ["t", "t", "u"],
    "anchor": ["s", "v", "s"],
    "reward": [0.0, 1.0, 2.0],
    "valid": [True, False, True],
}


def same(first: object, second: object) -> bool:
    """Whether two anchors are one state."""
    batch = TurnBatch.from_rows(
        group=[0, 0], trajectory=[0, 1], anchor=[first, second], reward=[0, 0]
    )
    return bool(batch.anchor[0] == batch.anchor[1])


NAN = float("nan")
SAME = [
    ("a", "a"),
    (b"a", b"a"),
    (None, None),
    (NAN, float("nan")),
    (("a", NAN), ("a", float("nan"))),
    (np.array([1.0, NAN]), np.array([1.0, NAN])),
    (np.array([0.0]), np.array([-0.0])),
    (np.array(["a", "b"]), np.array(["a", "b"])),
    (np.array(["a", None], object), np.array(["a", None], object)),
    (np.int64(3), 3),
    (frozenset("ab"), frozenset("ba")),
    (torch.tensor([1, 2]), torch.tensor([1, 2])),
]
DIFFERENT = [
    ("a", b"a"),
    ("1", 1),
    (1, True),
    (1, 1.0),
    (True, 1.0),
    (0, False),
    (None, "None"),
    (None, 0),
    ((1,), (True,)),
    (frozenset({1}), frozenset({True})),
    ((1, (2, 3)), (1, (2, 3.0))),
    (np.array([[1, 2], [3, 4]]), np.array([1, 2, 3, 4])),
    (np.array([1, 2]), np.array([1.0, 2.0])),
    (np.array([1, 2], np.int32), np.array([1, 2], np.int64)),
    (np.array([1, 2]), (1, 2)),
    (np.array([1], object), np.array([True], object)),
    (torch.tensor([1, 2]), torch.tensor([1, 3])),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_equal_anchors(first: object, second: object) -> None:
    assert same(first, second)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_anchors(first: object, second: object) -> None:
    assert not same(first, second)


@pytest.mark.parametrize(
    "column",
    [
        np.array([3, 1, 3]),
        np.array([0.5, NAN, 0.5]),
        np.array(["x", "y", "x"]),
        np.array([b"x", b"y", b"x"]),
        np.array([True, False, True]),
        np.array([[1, 2], [1, 3], [1, 2]]),
        torch.tensor([3, 1, 3]),
        (0, 1, 0),
        iter("aba"),
    ],
)
def test_columns_of_ids(column: Any) -> None:
    batch = TurnBatch.from_rows(
        group=[0, 0, 0], trajectory=range(3), anchor=column, reward=[0, 0, 0]
    )
    codes = batch.anchor.tolist()
    assert codes[0] == codes[2] != codes[1]


def test_columns() -> None:
    batch = TurnBatch.from_rows(**ROWS)
    assert len(batch) == 3
    assert batch.group.tolist() == [0, 0, 1]
    assert batch.turn.tolist() == [0, 1, 0]
    assert batch.trajectory_group.tolist() == [0, 1]
    assert [batch.anchor_ids[code] for code in batch.anchor] == ROWS["anchor"]
    assert (batch.n_groups, batch.n_trajectories) == (2, 2)
    assert not batch.fork.any()
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.turn = batch.group  # type: ignore[misc]


def test_turn_orders_the_rows() -> None:
    batch = TurnBatch.from_rows(
        group=[0] * 3, trajectory=[0] * 3, anchor=[0] * 3, reward=[1, 2, 3], turn=[7, -1, 3]
    )
    assert batch.order.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"reward": [0.0]}, e.LengthMismatchError, "reward has 1 rows and group has 3"),
        ({"anchor": ["s"]}, e.LengthMismatchError, "anchor has 1"),
        ({"reward": [[0.0]] * 3}, e.LengthMismatchError, "shape"),
        ({"reward": [0.0, NAN, 0.0]}, e.NonFiniteError, r"reward\[1\] is nan"),
        ({"reward": [0.0, 0.0, float("inf")]}, e.NonFiniteError, r"reward\[2\]"),
        ({"reward": ["a", "b", "c"]}, e.ColumnError, "reward"),
        ({"valid": [1, 2, 0]}, e.ColumnError, "valid"),
        ({"turn": [0.0, 0.5, 0.0]}, e.ColumnError, "integers"),
        ({"turn": [4, 4, 0]}, e.RepeatedTurnError, "rows 0 and 1 are the same turn"),
        ({"group": ["g", "h", "h"]}, e.TrajectoryGroupError, "trajectory 't'.*rows 0 and 1"),
        ({"fork": [True, False, False]}, e.TrajectoryGroupError, "fork"),
        ({"anchor": [["s"], ["v"], ["s"]]}, e.IdTypeError, "'list' cannot be hashed"),
        ({"text": [b"s", b"v", b"s"]}, e.TextTypeError, "decode it"),
    ],
)
def test_what_does_not_fit(change: dict[str, Any], error: type[Exception], message: str) -> None:
    assert issubclass(error, e.BatchError)
    with pytest.raises(error, match=message):
        TurnBatch.from_rows(**{**ROWS, **change})


def test_returns_are_checked_too() -> None:
    batch = TurnBatch.from_rows(**ROWS)
    with pytest.raises(e.NonFiniteError, match="returns"):
        advantages("gigpo", batch, returns=[0.0, NAN, 0.0])
    with pytest.raises(e.LengthMismatchError, match="returns"):
        advantages("gigpo", batch, returns=[0.0])


def test_rows_are_repeated_only_after_the_advantages() -> None:
    batch = TurnBatch.from_rows(**ROWS).take([0, 1, 2, 0])
    for name in ("grpo", "gigpo"):
        with pytest.raises(e.RepeatedTurnError, match="only after the advantages"):
            advantages(name, batch)


def test_part_of_a_batch() -> None:
    rows = {k: [*v, *v] for k, v in ROWS.items() if k != "trajectory"}
    rows["text"] = [f"You are in {'ab'[i % 2] * 20}" for i in range(6)]
    batch = TurnBatch.from_rows(**rows, trajectory=list("ttuvvw"))
    kept = [0, 1, 3, 4]
    part = batch.take(kept)
    alone = TurnBatch.from_rows(
        **{k: [v[i] for i in kept] for k, v in rows.items()}, trajectory=list("ttvv")
    )
    for similarity in (None, 0.9):
        options: dict[str, Any] = {"similarity": similarity, "invalid_penalty": 0.1}
        np.testing.assert_array_equal(
            advantages("gigpo", part, **options), advantages("gigpo", alone, **options)
        )
    assert len(batch.take(np.zeros(6, bool))) == 0


def test_statistics() -> None:
    batch = TurnBatch.from_rows(
        group=[0] * 4, trajectory=[0, 0, 1, 1], anchor=["s", "u", "s", "v"], reward=[0, 1, 0, 0]
    )
    algorithm_free = np.array([0.5, 0.0, -0.5, 0.0])
    statistics = group_statistics(batch, algorithm_free)
    assert statistics.step_groups == 3
    assert statistics.mean_step_group == pytest.approx(4 / 3)
    assert statistics.shared_turns == 0.5
    assert statistics.zero_advantage_turns == 0.5
    merged = group_statistics(batch, algorithm_free, step_groups(batch, 1.0))
    assert merged == statistics
    empty = batch.take(np.zeros(4, bool))
    assert group_statistics(empty, np.zeros(0)).shared_turns == 0.0
