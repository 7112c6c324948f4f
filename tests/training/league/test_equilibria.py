"""Equilibria against known answers, another library's, and what defines them."""

from __future__ import annotations

import nashpy
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from matrix_games import PENNIES, RPS

from anchorgym.training.league import LeagueError, coarse_correlated, nash_conv, zero_sum
from anchorgym.training.league.equilibria import _feasible

MATRICES = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7),
    elements=st.floats(-10, 10).map(lambda x: round(x, 3)),
)


@pytest.mark.parametrize(("payoffs", "value"), [(PENNIES, 0.0), (RPS, 0.0)])
def test_known_games(payoffs: np.ndarray, value: float) -> None:
    solution = zero_sum(payoffs)
    assert np.allclose(solution.row, 1 / len(payoffs))
    assert np.allclose(solution.column, 1 / len(payoffs))
    assert solution.value == pytest.approx(value)


def test_the_equilibrium_of_a_game_with_many_is_the_one_nearest_to_uniform() -> None:
    twice = RPS[np.ix_([0, 0, 1, 2], [0, 0, 1, 2])]
    assert np.allclose(zero_sum(twice).row, [1 / 6, 1 / 6, 1 / 3, 1 / 3])
    assert np.allclose(zero_sum(np.zeros((3, 5))).column, 1 / 5)
    dominated = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    assert np.allclose(zero_sum(dominated).row, [0.5, 0.5, 0.0])


@settings(max_examples=60)
@given(payoffs=MATRICES)
def test_a_solution_is_a_pair_of_distributions_that_nobody_can_exploit(payoffs: np.ndarray) -> None:
    row, column, value = zero_sum(payoffs)
    for strategy in (row, column):
        assert (strategy >= 0).all()
        assert strategy.sum() == pytest.approx(1)
    assert nash_conv(payoffs, -payoffs, row, column) < 1e-4
    assert row @ payoffs @ column == pytest.approx(value, abs=1e-4)


@settings(max_examples=40)
@given(payoffs=MATRICES)
def test_the_value_is_that_of_another_solver(payoffs: np.ndarray) -> None:
    assume(np.ptp(payoffs) > 0.01)
    x, y = nashpy.Game(payoffs).linear_program()
    assert zero_sum(payoffs).value == pytest.approx(x @ payoffs @ y, abs=1e-5)


@settings(max_examples=40)
@given(payoffs=MATRICES, data=st.data())
def test_the_order_of_strategies_does_not_matter(payoffs: np.ndarray, data: st.DataObject) -> None:
    rows = data.draw(st.permutations(range(payoffs.shape[0])))
    columns = data.draw(st.permutations(range(payoffs.shape[1])))
    one, other = zero_sum(payoffs), zero_sum(payoffs[np.ix_(rows, columns)])
    assert other.value == pytest.approx(one.value, abs=1e-6)
    assert np.allclose(other.row, one.row[rows], atol=2e-3)
    assert np.allclose(other.column, one.column[columns], atol=2e-3)


@settings(max_examples=60)
@given(data=st.data(), shape=array_shapes(min_dims=2, max_dims=2, max_side=5))
def test_nobody_gains_by_leaving_a_correlated_equilibrium(
    data: st.DataObject, shape: tuple[int, int]
) -> None:
    tables = arrays(np.float64, shape, elements=st.floats(-5, 5).map(lambda x: round(x, 3)))
    rows, columns = data.draw(tables), data.draw(tables)
    joint = coarse_correlated(rows, columns)
    assert (joint >= 0).all()
    assert joint.sum() == pytest.approx(1)
    assert (rows @ joint.sum(axis=0)).max() <= (joint * rows).sum() + 1e-4
    assert (joint.sum(axis=1) @ columns).max() <= (joint * columns).sum() + 1e-4


@settings(max_examples=40)
@given(payoffs=MATRICES)
def test_in_a_zero_sum_game_the_marginals_of_a_correlated_equilibrium_are_nash(
    payoffs: np.ndarray,
) -> None:
    joint = coarse_correlated(payoffs, -payoffs)
    assert nash_conv(payoffs, -payoffs, joint.sum(axis=1), joint.sum(axis=0)) < 1e-4


def test_chicken_and_the_dilemma() -> None:
    dilemma = np.array([[3.0, 0.0], [5.0, 1.0]])
    assert np.allclose(coarse_correlated(dilemma, dilemma.T), [[0, 0], [0, 1]], atol=1e-6)
    chicken = np.array([[6.0, 2.0], [7.0, 0.0]])
    joint = coarse_correlated(chicken, chicken.T)
    assert np.allclose(joint, joint.T, atol=1e-9)


def test_a_hundred_players_a_side_are_solved() -> None:
    payoffs = np.random.default_rng(0).normal(size=(100, 100))
    payoffs -= payoffs.T
    row, column, value = zero_sum(payoffs)
    assert np.allclose(row, column, atol=1e-6)
    assert abs(value) < 1e-7
    assert nash_conv(payoffs, -payoffs, row, column) < 1e-5


@pytest.mark.parametrize("payoffs", [np.array([1.0]), np.empty((0, 2)), np.full((2, 2), np.nan)])
def test_what_is_no_matrix_is_refused(payoffs: np.ndarray) -> None:
    with pytest.raises(LeagueError, match="play every pair"):
        zero_sum(payoffs)


def test_where_not_all_constraints_can_hold_they_are_broken_as_little_as_can_be() -> None:
    assert _feasible(np.array([[-1.0, -2.0]])) == pytest.approx([1.0, 0.0])
    assert _feasible(np.array([[-1.0, 1.0], [1.0, -1.0]])) == pytest.approx([0.5, 0.5])
    assert _feasible(np.array([[-3.0, 1.0, 0.0], [1.0, -1.0, 0.0]])) == pytest.approx([0, 0, 1])
