"""Kinds of actions: by hand, and what it is at its ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anchorgym.gigpo import TokenColumns, TurnBatch, advantages, check_algorithm, make_algorithm
from anchorgym.training.learning.columns import action_kind


def four_turns() -> TurnBatch:
    """Four episodes of one turn in one state: three take something, one goes somewhere."""
    return TurnBatch.from_rows(
        group=[0] * 4,
        trajectory=[0, 1, 2, 3],
        anchor=["s"] * 4,
        reward=[1.0, 0.0, 0.5, 0.5],
        kind=["take", "take", "go", "take"],
        tokens=TokenColumns.from_rows([[-1.0, -1.0], [-1.0], [], [-1.0, -1.0, -1.0]]),
    )


def test_by_hand() -> None:
    # A_E and A_S are both .5, -.5, 0, 0; taking is worth 0, going 0.
    found = advantages("action_groups", four_turns(), norm="mean", member_weight=0.5)
    np.testing.assert_allclose(found, [0.75, -0.75, 0, 0])
    batch = replace(four_turns(), reward=np.array([1.0, 0.0, 0.0, 1.0]))
    # A_S is .5, -.5, -.5, .5; of kinds 1/6, 1/6, -.5, 1/6.
    found = advantages("action_groups", batch, norm="mean", member_weight=0.0)
    np.testing.assert_allclose(found, [0.5 + 1 / 6, -0.5 + 1 / 6, -1.0, 0.5 + 1 / 6])


def test_factors_are_credited_with_what_came_of_them() -> None:
    algorithm = make_algorithm("action_groups", norm="mean", member_weight=1.0, credit="factored")
    batch = replace(four_turns(), reward=np.array([1.0, 0.0, 0.0, 1.0]))
    column = algorithm.token_columns(batch, algorithm.advantages(batch))["advantages"]
    of_kind, of_member = 1 / 6, np.array([0.5, -0.5, -0.5, 0.5]) - [1 / 6, 1 / 6, -0.5, 1 / 6]
    expected = [0.5 + of_kind, 0.5 + of_member[0], -0.5 + of_kind]
    expected += [0.5 + of_kind, 0.5 + of_member[3], 0.5 + of_member[3]]
    np.testing.assert_allclose(column, expected)


def test_with_all_of_the_difference_it_is_gigpo() -> None:
    batch = four_turns()
    found = advantages("action_groups", batch, member_weight=1.0)
    np.testing.assert_allclose(found, advantages("gigpo", batch))
    unnamed = replace(batch, kind=None)
    found = advantages("action_groups", unnamed, member_weight=0.0)
    np.testing.assert_allclose(found, advantages("gigpo", batch))


@pytest.mark.parametrize("credit", ["turn", "factored"])
def test_keeps_what_algorithms_promise(credit: str) -> None:
    report = check_algorithm("action_groups", member_weight=0.3, credit=credit)
    assert report.ok, report


def test_kinds_are_first_words() -> None:
    asked = ("go to cabinet 1", "search[red shoes]", "Take mug 1", "", "<think>", "…")
    assert [action_kind(action) for action in asked] == ["go", "search", "take", "", "think", ""]
