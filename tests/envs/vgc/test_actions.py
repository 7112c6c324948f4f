"""Choices as numbers and as text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.envs.vgc.actions import (
    N_CHOICES,
    N_PLANS,
    choice_text,
    choices_after,
    legal_pairs,
    mask,
    pair_text,
    plans,
    read_choice,
    read_pair,
    read_team,
    second_mask,
)

choices = st.integers(0, N_CHOICES - 1)


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (0, "pass"),
        (3, "switch 3"),
        (7, "move 1 -2"),
        (9, "move 1"),
        (11, "move 1 2"),
        (26, "move 4 2"),
        (30, "move 1 1 mega"),
        (87 + 5 + 3, "move 2 1 terastallize"),
    ],
)
def test_the_numbers_are_those_of_vgc_bench(choice: int, text: str) -> None:
    assert choice_text(choice) == text


@given(choices)
def test_every_choice_can_be_written_and_read(choice: int) -> None:
    assert read_choice(choice_text(choice)) == choice
    assert read_choice(f"  {choice_text(choice).upper()} ") == choice


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    pair = read_pair(text)
    assert pair is None or read_pair(pair_text(pair, preview=False)) == pair


def test_a_preview_has_ninety_plans() -> None:
    assert len(plans()) == len(set(plans())) == N_PLANS
    assert all(len(set(plan)) == 4 for plan in plans())


@pytest.mark.parametrize("text", ["team 3412", "TEAM 3412", " team  3412"])
def test_a_preview_may_be_in_any_order(text: str) -> None:
    assert read_team(text, 6) == (3, 4, 1, 2)


@pytest.mark.parametrize("text", ["team 3312", "team 341", "team 3417", "team 34126", "3412"])
def test_other_previews_are_refused(text: str) -> None:
    assert read_team(text, 6) is None
    assert read_team("team 1256", 5) is None


@given(
    st.lists(choices, min_size=1, max_size=12, unique=True),
    st.lists(choices, min_size=1, max_size=12, unique=True),
)
def test_the_mask_says_what_the_list_says(one: list[int], two: list[int]) -> None:
    legal = (sorted(one), sorted(two))
    allowed = mask(legal)
    pairs = set(legal_pairs(legal))
    from_masks = {
        (first, int(second))
        for first in np.flatnonzero(allowed[0]).tolist()
        for second in np.flatnonzero(second_mask(allowed, first))
    }
    assert from_masks == pairs


@pytest.mark.parametrize(
    ("legal", "first", "after"),
    [
        (([3, 4], [3, 4]), 3, [4]),  # not both to one place
        (([90, 10], [90, 10]), 90, [10]),  # one terastallizes
        (([90, 10], [90, 30]), 90, [30]),  # a mega evolution is something else
        (([3, 0], [3, 0]), 0, [3]),  # one of two fallen is replaced
        ((list(range(90)), [0]), 0, [0]),  # the first plan of a preview is no pass
        (([0], [3]), 0, [3]),
        (([0], [0]), 0, [0]),
    ],
)
def test_what_goes_together(
    legal: tuple[list[int], list[int]], first: int, after: list[int]
) -> None:
    assert choices_after(legal, first) == after
