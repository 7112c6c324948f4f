"""What algorithms take for the reward: scaled once, and with the value of what was cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from turn_columns import columns

from anchorgym.gigpo import TurnBatch, advantages, make_algorithm, returns_to_go
from anchorgym.gigpo.errors import ColumnError, LengthMismatchError, OptionError

# Two trajectories of one task, their rows out of order; b was cut after its second turn.
ROWS: dict[str, Any] = {
    "group": [0] * 5,
    "trajectory": ["b", "a", "b", "a", "a"],
    "anchor": [1, 0, 0, 1, 2],
    "turn": [1, 0, 0, 1, 2],
    "reward": [0.5, 0.0, 0.0, 0.0, 1.0],
}
CUT = [True, False, True, False, False]
LAST = [True, False, False, False, False]


def batch(truncated: list[bool] | None = None) -> TurnBatch:
    return TurnBatch.from_rows(**ROWS, truncated=truncated)


@pytest.mark.parametrize("truncated", [CUT, LAST])
def test_truncation_is_valued_in_the_last_turn_and_is_not_scaled(truncated: list[bool]) -> None:
    algorithm = make_algorithm("grpo", reward_scale=10.0, truncation_value=0.25)
    assert algorithm.rewards(batch(truncated)).tolist() == [5.25, 0.0, 0.0, 0.0, 10.0]


def test_without_the_column_nothing_was_truncated() -> None:
    algorithm = make_algorithm("grpo", truncation_value=3.0)
    assert algorithm.rewards(batch()).tolist() == ROWS["reward"]


def test_by_default_rewards_are_those_of_the_batch() -> None:
    assert make_algorithm("gigpo").rewards(batch(CUT)).tolist() == ROWS["reward"]


def test_episodes_and_steps_are_compared_by_the_same_rewards() -> None:
    options = {"reward_scale": 2.0, "truncation_value": -1.0, "norm": "mean"}
    # Scores: a 2, b 2 * 0.5 - 1 = 0.
    assert advantages("grpo", batch(CUT), **options).tolist() == [-1, 1, -1, 1, 1]
    # Returns with gamma = 1 in the states met twice: a 2, b 0.
    found = advantages("gigpo", batch(CUT), gamma=1.0, **options)
    assert found.tolist() == [-2, 2, -2, 2, 1]


def test_the_penalty_is_not_scaled() -> None:
    rows = {**ROWS, "valid": [True, False, True, True, True]}
    found = advantages(
        "grpo", TurnBatch.from_rows(**rows), reward_scale=4.0, invalid_penalty=1.0, norm="mean"
    )
    assert found.tolist() == [-0.5, 0.5, -0.5, 0.5, 0.5]  # scores 4 - 1 and 2


def test_returns_that_were_computed_before_are_scaled_and_valued_too() -> None:
    options = {"gamma": 0.5, "norm": "mean", "reward_scale": 3.0, "truncation_value": 0.5}
    known = returns_to_go(batch(CUT), 0.5)
    whole = advantages("gigpo", batch(CUT), **options)
    assert np.allclose(advantages("gigpo", batch(CUT), returns=known, **options), whole)


@pytest.mark.parametrize("options", [{}, {"penalty_in_steps": True, "invalid_penalty": 0.5}])
def test_returns_that_were_computed_before_are_scaled_with_nothing_to_add(
    options: dict[str, Any],
) -> None:
    rows = TurnBatch.from_rows(**ROWS, valid=[True, False, True, True, True])
    options = {"gamma": 0.9, "norm": "mean", "reward_scale": 4.0, **options}
    known = returns_to_go(rows, 0.9)
    whole = advantages("gigpo", rows, **options)
    assert np.allclose(advantages("gigpo", rows, returns=known, **options), whole)
    unscaled = advantages("gigpo", rows, **{**options, "reward_scale": 1.0})
    assert abs(whole - unscaled).max() > 0.1


SMALL = st.one_of(st.sampled_from([0.0, 1.0, -0.1]), st.floats(-1e3, 1e3, allow_subnormal=False))


@settings(max_examples=120)
@given(columns(SMALL), st.data())
def test_it_is_as_if_the_world_had_paid_those_rewards(rows: dict[str, Any], data: Any) -> None:
    cut = data.draw(st.sets(st.sampled_from(sorted(set(rows["trajectory"])) or [None])))
    given_ = TurnBatch.from_rows(**rows, truncated=[t in cut for t in rows["trajectory"]])
    scale = data.draw(st.sampled_from([0.1, 1.0, 7.0]))
    value = data.draw(st.sampled_from([0.0, 0.5, -2.0]))
    name = data.draw(st.sampled_from(["grpo", "gigpo"]))
    norm = data.draw(st.sampled_from(["mean", "mean_std"]))
    algorithm = make_algorithm(name, reward_scale=scale, truncation_value=value, norm=norm)
    paid = replace(given_, reward=algorithm.rewards(given_), truncated=None)
    assert np.array_equal(
        algorithm.advantages(given_), make_algorithm(name, norm=norm).advantages(paid)
    )


@settings(max_examples=80)
@given(columns(), st.sampled_from([1e-6, 3.0, 1e8]), st.sampled_from([0.0, 1e6]))
def test_always_finite(rows: dict[str, Any], scale: float, value: float) -> None:
    cut = TurnBatch.from_rows(**rows, truncated=[True] * len(rows["group"]))
    found = advantages("gigpo", cut, reward_scale=scale, truncation_value=value)
    assert np.isfinite(found).all()


def test_a_part_of_a_batch_keeps_what_was_truncated() -> None:
    part = batch(CUT).take([0, 1])
    assert part.truncated is not None
    assert part.truncated.tolist() == [True, False]
    assert part.cut.tolist() == [0]


def test_columns_that_do_not_fit_are_named() -> None:
    with pytest.raises(LengthMismatchError, match="truncated has 1 rows"):
        batch([True])
    with pytest.raises(ColumnError, match="truncated holds values other than True and False"):
        batch([2, 0, 0, 0, 0])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reward_scale": 0.0}, r"reward_scale=0.0 is not a number in \(0, inf\)"),
        ({"truncation_value": float("nan")}, "truncation_value=nan"),
        ({"compat": "verl-agent", "reward_scale": 2.0}, "reward_scale=2.0 is not known to compat"),
        ({"compat": "verl-agent", "truncation_value": 1.0}, "truncation_value=1.0 is not known"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        make_algorithm("gigpo", **options)
    assert caught.value.option in options
