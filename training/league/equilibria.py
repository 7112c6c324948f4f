"""Equilibria of the games between populations, and the NashConv of a pair of mixtures.

If a game has many equilibria, the one nearest to uniform is selected: it is unique, it changes
little when the payoffs do, and it does not depend on the order of the players. For correlated
equilibria this is the maximum Gini selection of Marris et al. (2021), "Multi-Agent Training beyond
Zero-Sum with Correlated Equilibrium Meta-Solvers".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog, nnls

from anchorgym.training.league.rules import FloatArray, LeagueError

_SLACK = 1e-9
"""Tolerance for rounding of a strategy's optimality, relative to the range of payoffs."""
_TRUSTED = 1e-6
"""Largest distance from optimal of a selection, relative to the range; beyond it, it failed."""


class Solution(NamedTuple):
    """A pair of mixed strategies."""

    row: FloatArray
    """(n_rows,) strategy of the row player."""
    column: FloatArray
    """(n_columns,) strategy of the column player."""
    value: float
    """The expected payoff of the row player."""


def zero_sum(payoffs: FloatArray) -> Solution:
    """Return the Nash equilibrium of a zero-sum game that is nearest to uniform on both sides.

    Args:
        payoffs: (n_rows, n_columns) payoffs of the row player.

    Raises:
        LeagueError: the payoffs are not a finite matrix.
    """
    payoffs = _checked(payoffs)
    row, value = _maximin(payoffs)
    column, _ = _maximin(-payoffs.T)
    return Solution(row, column, value)


def coarse_correlated(row_payoffs: FloatArray, column_payoffs: FloatArray) -> FloatArray:
    """Return the coarse correlated equilibrium nearest to uniform, a joint distribution.

    No player gains by a fixed strategy in place of the one that the joint distribution draws. Every
    game has such an equilibrium; in a zero-sum game its marginals are a Nash equilibrium.

    Args:
        row_payoffs: (n_rows, n_columns) payoffs of the row player.
        column_payoffs: (n_rows, n_columns) payoffs of the column player.

    Returns:
        (n_rows, n_columns) joint distribution.
    """
    row_payoffs, column_payoffs = _checked(row_payoffs), _checked(column_payoffs)
    shape = row_payoffs.shape
    gains = [
        *((row_payoffs - row_payoffs[i]).ravel() for i in range(shape[0])),
        *((column_payoffs - column_payoffs[:, j, None]).ravel() for j in range(shape[1])),
    ]
    constraints = np.stack(gains)
    scale = max(float(np.abs(constraints).max()), 1e-300)
    constraints = constraints / scale
    joint = _nearest_uniform(constraints)
    if joint is None or (constraints @ joint).min() < -_TRUSTED:
        joint = _feasible(constraints)
    return joint.reshape(shape)


def nash_conv(
    row_payoffs: FloatArray, column_payoffs: FloatArray, row: FloatArray, column: FloatArray
) -> float:
    """Return NashConv, the total gain of both players by best responses: 0 in an equilibrium.

    For a zero-sum game `column_payoffs` is `-row_payoffs`; half of NashConv is then also called
    exploitability.
    """
    gains = (
        (row_payoffs @ column).max() - row @ row_payoffs @ column,
        (row @ column_payoffs).max() - row @ column_payoffs @ column,
    )
    return float(sum(gains))


def _maximin(payoffs: FloatArray) -> tuple[FloatArray, float]:
    """Return the maximin strategy of the row player, and its value."""
    scale = max(float(np.ptp(payoffs)), 1e-300)
    scaled = (payoffs - payoffs.min()) / scale
    n, m = scaled.shape
    solved = linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.hstack([-scaled.T, np.ones((m, 1))]),
        b_ub=np.zeros(m),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(None, None)],
        method="highs",
    )
    if solved.x is None:
        raise LeagueError(f"the linear programme of the game was not solved: {solved.message}")
    vertex, guarantee = _distribution(solved.x[:n]), float(solved.x[n])
    strategy = _nearest_uniform(scaled.T - guarantee)
    if strategy is None or (strategy @ scaled).min() < guarantee - _TRUSTED:
        strategy = vertex
    return strategy, float(guarantee * scale + payoffs.min())


def _nearest_uniform(constraints: FloatArray) -> FloatArray | None:
    """Return the distribution x with `constraints @ x >= 0` that is nearest to uniform.

    Among distributions, the nearest to uniform has the least norm; and since the constraints are
    homogeneous, it suffices to require a sum of at least 1. Least-distance programming reduces this
    to non-negative least squares: Lawson and Hanson (1974), chapter 23.
    """
    n = constraints.shape[1]
    inner = np.vstack([np.eye(n), constraints + _SLACK, np.ones((1, n))])
    bounds = np.append(np.zeros(len(inner) - 1), 1.0)
    system, target = np.vstack([inner.T, bounds]), np.append(np.zeros(n), 1.0)
    try:
        multipliers, _ = nnls(system, target, maxiter=30 * system.shape[1])
    except RuntimeError:  # rounding can make the solver cycle
        return None
    residual = system @ multipliers - target
    if residual[-1] > -1e-12:
        return None
    return _distribution(residual[:n] / -residual[-1])


def _feasible(constraints: FloatArray) -> FloatArray:
    """Return a distribution with the smallest violation of the constraints."""
    rows, n = constraints.shape
    solved = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.hstack([-constraints, -np.ones((rows, 1))]),
        b_ub=np.zeros(rows),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
        method="highs",
    )
    if solved.x is None:
        raise LeagueError(f"the linear programme of the game was not solved: {solved.message}")
    return _distribution(solved.x[:n])


def _distribution(values: FloatArray) -> FloatArray:
    kept = np.where(values > 1e-9, values, 0.0)
    return np.asarray(kept / kept.sum(), dtype=np.float64)


def _checked(payoffs: FloatArray) -> FloatArray:
    payoffs = np.asarray(payoffs, dtype=np.float64)
    if payoffs.ndim != 2 or payoffs.size == 0 or not np.isfinite(payoffs).all():
        raise LeagueError(
            f"payoffs are a matrix of finite numbers, not of shape {payoffs.shape}: play every "
            "pair before solving"
        )
    return payoffs
