"""Rankings of one population: alpha-rank, which represents cycles, and Elo, which does not.

Sources: Omidshafiei et al. (2019), "alpha-Rank: Multi-Agent Evaluation by Evolution", for a single
population under its local selection model; Elo as the maximum-likelihood fit of Bradley and Terry
(1952), by the minorization algorithm of Hunter (2004).
"""

from __future__ import annotations

import math

import numpy as np

from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.league.rules import FloatArray, LeagueError

_PER_ELO = 400 / math.log(10)
_LEAST_SHARE = 1e-9
"""Least share of games that a drawn player wins, which keeps ratings finite."""
_MOST_STEPS = 100


def alpha_rank(payoffs: FloatArray, *, alpha: float = 100.0, population: int = 50) -> FloatArray:
    """Return the alpha-rank: the share of time that an evolving population spends in a strategy.

    Args:
        payoffs: (n, n) payoffs of the row player, in a symmetric game.
        alpha: strength of selection, the factor of differences of payoffs.
        population: number of individuals.

    Returns:
        (n,) shares that add up to 1.

    Raises:
        LeagueError: the payoffs are not a finite square matrix.
    """
    payoffs = _square(payoffs)
    n = len(payoffs)
    if n == 1:
        return np.ones(1)
    advantage = alpha * (payoffs.T - payoffs)  # of the mutant (column) over the resident (row)
    moves = _fixation(advantage, population) / (n - 1)
    np.fill_diagonal(moves, 0.0)
    chain = moves + np.diag(1 - moves.sum(1))
    system = np.vstack([chain.T - np.eye(n), np.ones(n)])
    # Rows differ by hundreds of orders of magnitude; only rates at the chain's own scale matter.
    stationary = np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]
    stationary = np.clip(stationary, 0.0, None)
    return np.asarray(stationary / stationary.sum(), dtype=np.float64)


def elo(wins: FloatArray, *, prior: float = 1.0, iterations: int = 2000) -> FloatArray:
    """Return Elo ratings (n,) with mean 0, fitted to the numbers of wins.

    Args:
        wins: (n, n) number of games that the row player won against the column player; a draw
            counts as half a win.
        prior: number of draws that are added to every pair, so that the rating of a player who has
            won all games is finite.
        iterations: most iterations; the fit stops earlier when it has converged.

    Raises:
        LeagueError: the wins are not a finite square matrix.
    """
    wins = _square(wins) + prior / 2
    np.fill_diagonal(wins, 0.0)
    games = wins + wins.T
    strength = np.ones(len(wins))
    for _ in range(iterations):
        meets = games / np.maximum(strength[:, None] + strength[None], 1e-300)
        new = wins.sum(1) / np.maximum(meets.sum(1), 1e-300)
        new /= np.exp(np.log(np.maximum(new, 1e-300)).mean())
        settled = np.abs(np.log(new / strength)).max() < 1e-10
        strength = new
        if settled:
            break
    return np.asarray(_PER_ELO * np.log(strength), dtype=np.float64)


def elo_intervals(
    wins: FloatArray, *, prior: float = 1.0, draws: int = 1000, seed: int = 0
) -> list[Interval]:
    """Return Elo ratings with their 95 % intervals, (n,).

    The share of games that a pair's first player wins in the long run is drawn from its posterior,
    Beta(w + prior/2, l + prior/2) after w wins and l losses, whose prior is that of `elo`; ratings
    are fitted to the shares of all pairs. Resampling the games would give an interval of almost no
    width to a player who has won all of them, since each resample holds wins alone. Between players
    over 1,000 points apart, the prior outweighs a few dozen games, and the intervals lie too close
    together.

    Args:
        wins: (n, n) number of games that the row player won, see `elo`.
        prior: number of draws that are added to every pair.
        draws: number of draws from the posterior.
        seed: seed of the draws.

    Raises:
        LeagueError: the wins are not a finite square matrix.
    """
    wins = _square(wins)
    ratings = elo(wins, prior=prior)
    rng, n = np.random.default_rng(seed), len(wins)
    upper = np.triu(np.ones((n, n), dtype=bool), 1)
    games = wins + wins.T + prior
    shares = rng.beta(wins + prior / 2, wins.T + prior / 2, size=(draws, n, n))
    shares = np.where(upper, np.clip(shares, _LEAST_SHARE, 1 - _LEAST_SHARE), 0.0)
    shares = shares + np.where(upper.T, 1 - np.swapaxes(shares, 1, 2), 0.0)
    drawn = _fitted(games * shares)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return [
        Interval(float(r), min(float(r), float(a)), max(float(r), float(b)))
        for r, a, b in zip(ratings, low, high, strict=True)
    ]


def _fitted(wins: FloatArray) -> FloatArray:
    """Return the ratings (k, n) of k matrices of wins (k, n, n) > 0, by Newton's method."""
    k, n = wins.shape[:2]
    strength = np.zeros((k, n))
    games = wins + np.swapaxes(wins, 1, 2)
    for _ in range(_MOST_STEPS):
        chance = 1 / (1 + np.exp(strength[:, None, :] - strength[:, :, None]))
        gradient = (wins - games * chance).sum(axis=2)
        weights = games * chance * (1 - chance)
        weights[:, np.arange(n), np.arange(n)] = 0.0
        curvature = -weights
        curvature[:, np.arange(n), np.arange(n)] = weights.sum(axis=2) + 1e-9
        curvature += 1 / n  # ratings have a mean of 0
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        strength += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-6:
            break
    strength -= strength.mean(axis=1, keepdims=True)
    return np.asarray(_PER_ELO * strength, dtype=np.float64)


def _fixation(advantage: FloatArray, population: int) -> FloatArray:
    """Return the fixation probability (n, n) of a single mutant: (1 - e^-u) / (1 - e^-mu)."""
    u = np.where(np.abs(advantage) < 1e-14, 1.0, advantage)
    up = np.abs(u)
    falling = np.exp(-(population - 1) * np.minimum(up, 700 / population))
    chance = -np.expm1(-up) / -np.expm1(-population * np.minimum(up, 700.0))
    chance = np.where(u > 0, chance, chance * falling)
    return np.where(np.abs(advantage) < 1e-14, 1 / population, chance)


def _square(values: FloatArray) -> FloatArray:
    values = np.array(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not len(values):
        raise LeagueError(f"a ranking needs a square matrix, not one of shape {values.shape}")
    if not np.isfinite(values).all():
        raise LeagueError("there are pairs without games: call ensure(games) first")
    return values
