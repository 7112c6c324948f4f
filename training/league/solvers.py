"""Meta-solvers, which map the payoffs between two populations to a mixture of each.

A meta-solver is a function of two matrices (n_rows, n_columns), the payoffs of row and column
players with the oldest players first; it returns probabilities (n_rows,) and (n_columns,).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anchorgym.envs.errors import did_you_mean
from anchorgym.training.league.equilibria import coarse_correlated, zero_sum
from anchorgym.training.league.rules import FloatArray, LeagueError

MetaSolver = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]


def equilibrium(
    row_payoffs: FloatArray, column_payoffs: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the Nash equilibrium of a zero-sum game, else a correlated equilibrium's marginals.

    Best responses to it make a double oracle (McMahan et al. 2003), or PSRO (Lanctot et al.
    2017); in general-sum games JPSRO with a coarse correlated equilibrium (Marris et al. 2021).
    """
    if np.abs(row_payoffs + column_payoffs).max() < 1e-12:
        solution = zero_sum(row_payoffs)
        return solution.row, solution.column
    joint = coarse_correlated(row_payoffs, column_payoffs)
    return joint.sum(axis=1), joint.sum(axis=0)


def uniform(row_payoffs: FloatArray, column_payoffs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the uniform mixtures: best responses to them give fictitious play."""
    n, m = row_payoffs.shape
    return np.full(n, 1 / n), np.full(m, 1 / m)


def latest(row_payoffs: FloatArray, column_payoffs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the newest players: best responses to them give self-play, which may cycle."""
    n, m = row_payoffs.shape
    return np.eye(n)[-1], np.eye(m)[-1]


META_SOLVERS: dict[str, MetaSolver] = {
    "equilibrium": equilibrium,
    "uniform": uniform,
    "latest": latest,
}


def find_meta_solver(name: str | MetaSolver) -> MetaSolver:
    """Return the meta-solver of a name; a function is returned unchanged.

    Raises:
        LeagueError: there is no meta-solver of that name.
    """
    if callable(name):
        return name
    if name not in META_SOLVERS:
        known = ", ".join(META_SOLVERS)
        raise LeagueError(
            f"no meta-solver {name!r}.{did_you_mean(name, META_SOLVERS)} There are: {known}"
        )
    return META_SOLVERS[name]
