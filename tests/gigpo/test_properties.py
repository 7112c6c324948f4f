"""Properties that every estimator keeps, on batches of any make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from turn_columns import REWARDS, columns

from anchorgym.gigpo import TurnBatch, advantages, make_algorithm, returns_to_go, step_groups

NORMS = ("mean", "mean_std")

OPTIONS = st.fixed_dictionaries(
    {
        "gamma": st.sampled_from([0.0, 0.5, 0.95, 1.0]),
        "norm": st.sampled_from(NORMS),
        "stats": st.sampled_from(["trajectory", "turn"]),
        "step_weight": st.sampled_from([0.0, 0.5, 1.0]),
        "invalid_penalty": st.sampled_from([0.0, 0.1]),
        "penalty_in_steps": st.booleans(),
        "similarity": st.sampled_from([None, 0.5, 1.0]),
    }
)


def group_sums(values: np.ndarray[Any, Any], groups: np.ndarray[Any, Any]) -> Any:
    return np.bincount(groups, values)


@settings(max_examples=150)
@given(columns(), OPTIONS)
def test_always_finite(rows: dict[str, Any], options: dict[str, Any]) -> None:
    result = advantages("gigpo", TurnBatch.from_rows(**rows), **options)
    assert result.shape == (len(rows["reward"]),)
    assert result.dtype == np.float64
    assert np.isfinite(result).all()


@settings(max_examples=100)
@given(columns(st.floats(-100, 100)), OPTIONS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    rows: dict[str, Any], options: dict[str, Any], random: Any
) -> None:
    order = list(range(len(rows["reward"])))
    random.shuffle(order)
    shuffled = {name: [column[i] for i in order] for name, column in rows.items()}
    result = advantages("gigpo", TurnBatch.from_rows(**rows), **options)
    again = advantages("gigpo", TurnBatch.from_rows(**shuffled), **options)
    np.testing.assert_allclose(again, result[order], rtol=1e-6, atol=1e-6)


@settings(max_examples=100)
@given(columns(st.floats(-100, 100)), st.sampled_from(NORMS))
def test_zero_sum(rows: dict[str, Any], norm: str) -> None:
    batch = TurnBatch.from_rows(**rows)
    algorithm: Any = make_algorithm("gigpo", norm=norm)
    steps = group_sums(algorithm.step_advantages(batch), batch.anchor)
    np.testing.assert_allclose(steps, 0, atol=1e-9)
    episodes = np.zeros(batch.n_trajectories)
    episodes[batch.trajectory] = algorithm.episode_advantages(batch)
    np.testing.assert_allclose(group_sums(episodes, batch.trajectory_group), 0, atol=1e-9)
    by_turn: Any = make_algorithm("grpo", norm=norm, stats="turn")
    turns = group_sums(by_turn.advantages(batch), batch.group)
    np.testing.assert_allclose(turns, 0, atol=1e-9)


@settings(max_examples=100)
@given(columns(), st.sampled_from(NORMS))
def test_what_has_no_rival_gets_exactly_zero(rows: dict[str, Any], norm: str) -> None:
    batch = TurnBatch.from_rows(**rows)
    algorithm: Any = make_algorithm("gigpo", norm=norm)
    lone_turns = np.bincount(batch.anchor)[batch.anchor] == 1
    assert (algorithm.step_advantages(batch)[lone_turns] == 0).all()
    lone_trajectories = np.bincount(batch.trajectory_group)[batch.group] == 1
    assert (algorithm.episode_advantages(batch)[lone_trajectories] == 0).all()


@settings(max_examples=100)
@given(
    st.lists(REWARDS, min_size=1, max_size=6),
    st.integers(1, 9),
    OPTIONS,
)
def test_zero_spread_gives_exactly_zero(
    rewards: list[float], n: int, options: dict[str, Any]
) -> None:
    # n trajectories with the same rewards, in states that only equal turns share.
    turns = len(rewards)
    batch = TurnBatch.from_rows(
        group=["g"] * n * turns,
        trajectory=np.repeat(np.arange(n), turns),
        anchor=[f"{10**t}" * 9 for t in range(turns)] * n,
        reward=rewards * n,
    )
    options["similarity"] = None
    assert (advantages("gigpo", batch, **options) == 0).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6, 1e150, 1e299])
def test_equal_up_to_rounding_is_equal(scale: float) -> None:
    # 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in the last place.
    rewards = np.array([0.1, 0.2, 0.3, 0.3, 0.2, 0.1]) * scale
    batch = TurnBatch.from_rows(
        group=[0] * 6, trajectory=[0] * 3 + [1] * 3, anchor=range(6), reward=rewards
    )
    assert (advantages("grpo", batch) == 0).all()


def test_float32_returns_that_differ_by_rounding_are_equal() -> None:
    returns = np.array([10.1, 10.1, 10.1], np.float32)
    returns[1] = np.nextafter(returns[1], np.float32(11))
    batch = TurnBatch.from_rows(
        group=[0] * 3, trajectory=range(3), anchor=["s"] * 3, reward=[10.1] * 3
    )
    assert (advantages("gigpo", batch, returns=returns) == 0).all()
    assert (advantages("gigpo", batch, returns=returns.astype(np.float64)) != 0).any()


@settings(max_examples=100)
@given(columns(st.floats(-100, 100)), st.sampled_from([0.0, 0.3, 0.95, 1.0]))
def test_returns_obey_their_recursion(rows: dict[str, Any], gamma: float) -> None:
    batch = TurnBatch.from_rows(**rows)
    expected = np.zeros(len(batch))
    following: dict[int, float] = {}
    for row in reversed(range(len(batch))):
        trajectory = int(batch.trajectory[row])
        expected[row] = batch.reward[row] + gamma * following.get(trajectory, 0.0)
        following[trajectory] = expected[row]
    np.testing.assert_allclose(returns_to_go(batch, gamma), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=60)
@given(columns(st.floats(-100, 100)), OPTIONS)
def test_returns_computed_before(rows: dict[str, Any], options: dict[str, Any]) -> None:
    batch = TurnBatch.from_rows(**rows)
    returns = returns_to_go(batch, options["gamma"])
    result = advantages("gigpo", batch, returns=returns, **options)
    np.testing.assert_allclose(result, advantages("gigpo", batch, **options), rtol=1e-6, atol=1e-6)


@settings(max_examples=60)
@given(columns(st.sampled_from([0.0, 1.0])), st.sampled_from(NORMS))
def test_without_repeated_states_it_is_grpo(rows: dict[str, Any], norm: str) -> None:
    rows["anchor"] = range(len(rows["reward"]))
    batch = TurnBatch.from_rows(**rows)
    gigpo = advantages("gigpo", batch, norm=norm)
    np.testing.assert_array_equal(gigpo, advantages("grpo", batch, norm=norm))


@pytest.mark.parametrize("norm", NORMS)
def test_written_out(norm: str) -> None:
    # Two trajectories meet in "s"; the first visits it twice.
    batch = TurnBatch.from_rows(
        group=["g"] * 5,
        trajectory=["i", "i", "i", "j", "j"],
        anchor=["s", "u", "s", "s", "v"],
        reward=[0, 0, 1, 0, 0],
        valid=[True, True, True, False, True],
    )
    episode = np.array([0.55, 0.55, 0.55, -0.55, -0.55])
    step = np.array([0.25, 0, 1.0, 0.0, 0]) - np.array([1, 0, 1, 1, 0]) * 1.25 / 3
    if norm == "mean_std":
        episode /= np.std([1, -0.1], ddof=1) + 1e-6
        step /= np.std([0.25, 1.0, 0.0], ddof=1) + 1e-6
    result = advantages("gigpo", batch, gamma=0.5, step_weight=2.0, norm=norm, invalid_penalty=0.1)
    np.testing.assert_allclose(result, episode + 2 * step)


def test_penalty_in_steps_is_discounted_to_earlier_turns() -> None:
    batch = TurnBatch.from_rows(
        group=[0] * 4,
        trajectory=[0, 0, 1, 1],
        anchor=["s", "u", "s", "u"],
        reward=[0.0] * 4,
        valid=[True, False, True, True],
    )
    options: dict[str, Any] = {"gamma": 0.5, "norm": "mean", "invalid_penalty": 0.2}
    without: Any = make_algorithm("gigpo", **options)
    assert (without.step_advantages(batch) == 0).all()
    within: Any = make_algorithm("gigpo", **options, penalty_in_steps=True)
    np.testing.assert_allclose(within.step_advantages(batch), [-0.05, -0.1, 0.05, 0.1])


def test_forks_enter_step_groups_only() -> None:
    rows: dict[str, Any] = {
        "group": [0] * 4,
        "trajectory": ["a", "b", "fork", "fork"],
        "anchor": ["s", "s", "s", "u"],
        "reward": [1.0, 0.0, 0.0, 4.0],
    }
    batch = TurnBatch.from_rows(**rows, fork=[False, False, True, True])
    algorithm: Any = make_algorithm("gigpo", norm="mean", gamma=0.5)
    assert algorithm.episode_advantages(batch).tolist() == [0.5, -0.5, 0.0, 0.0]
    assert algorithm.step_advantages(batch).tolist() == [0.0, -1.0, 1.0, 0.0]
    by_turn: Any = make_algorithm("grpo", norm="mean", stats="turn")
    assert by_turn.advantages(batch).tolist() == [0.5, -0.5, 0.0, 0.0]


def test_anchors_never_meet_across_groups() -> None:
    batch = TurnBatch.from_rows(
        group=[0, 1], trajectory=[0, 1], anchor=["s", "s"], reward=[0, 1], text=["x", "x"]
    )
    assert (advantages("gigpo", batch) == 0).all()
    assert len(set(step_groups(batch, 0.5).tolist())) == 2


@pytest.mark.parametrize("name", ["grpo", "gigpo"])
@pytest.mark.parametrize("compat", [None, "verl-agent"])
@pytest.mark.parametrize("stats", ["turn", "trajectory"])
def test_an_empty_batch_has_no_advantages(name: str, compat: str | None, stats: str) -> None:
    batch = TurnBatch.from_rows(group=[], trajectory=[], anchor=[], reward=[], valid=[])
    result = advantages(name, batch, compat=compat, stats=stats)
    assert result.shape == (0,)
    assert result.dtype == np.float64


@pytest.mark.parametrize(
    ("stats", "mean"),
    [("turn", 1.75 / 3), ("trajectory", 0.5)],  # of all three scores, or of the first and the last
)
def test_under_compat_a_trajectory_may_count_by_its_first_row(stats: str, mean: float) -> None:
    batch = TurnBatch.from_rows(
        group=[0] * 3,
        trajectory=[0, 0, 1],
        anchor=["a", "b", "a"],
        reward=[0, 1, 0],
        valid=[True, False, True],
    )
    result = advantages(
        "grpo", batch, compat="verl-agent", norm="mean", stats=stats, invalid_penalty=0.25
    )
    assert result.tolist() == pytest.approx([1 - mean, 0.75 - mean, -mean])
