"""Confidence intervals over tasks, pass@k and pass^k, and paired comparisons.

Results should generalize to tasks like these, so tasks are resampled: episodes of one task are not
independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_RESAMPLES = 4000
_FEW_LEVELS = 10
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; its text is in per cent."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"

    def signed(self) -> str:
        """Return the text with a sign before the mean, for differences."""
        return str(self) if str(self).startswith("-") else f"+{self}"

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Interval:
        """Read what `asdict` wrote."""
        return cls(values["mean"], values["low"], values["high"])


_NOTHING = Interval(float("nan"), float("nan"), float("nan"))


def success_interval(won: FloatArray) -> Interval:
    """Return the mean of `won`, (n_tasks,) 0 or 1 each, with Wilson's 95 % interval.

    Unlike resampling, it has a positive width for 20 of 20 wins. Source: Wilson (1927).
    """
    return _wilson(float(won.mean()), len(won)) if len(won) else _NOTHING


def bootstrap(values: FloatArray, *, seed: int = 0) -> Interval:
    """Return the mean of per-task values (n_tasks,) with a 95 % percentile bootstrap interval.

    Tasks are resampled, not episodes, so that the result generalizes to tasks like these.
    """
    if len(values) == 0:
        return _NOTHING
    n, rng = len(values), np.random.default_rng(seed)
    levels, counts = np.unique(values, return_counts=True)
    if len(levels) <= _FEW_LEVELS:  # drawing their counts is then faster
        means = rng.multinomial(n, counts / n, size=_RESAMPLES) @ levels / n
    else:
        means = values[rng.integers(0, n, size=(_RESAMPLES, n))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = float(values.mean())
    return Interval(mean, min(mean, float(low)), max(mean, float(high)))


def share_interval(shares: FloatArray, episodes: int = 1, *, seed: int = 0) -> Interval:
    """Return the mean of per-task shares (n_tasks,), each in [0, 1], with its 95 % interval.

    With one episode a task it is Wilson's interval. With more, tasks are resampled, and the
    interval is widened to Wilson's at the number of independent episodes with the same variance (at
    least one a task): resampling alone covers the truth in about 88 % of cases for panels of eight
    tasks, and has no width for 20 of 20 wins.

    Args:
        shares: share of won episodes of each task, or another probability of each task.
        episodes: number of episodes of each task.
        seed: seed of the resampling.
    """
    n = len(shares)
    if n == 0:
        return _NOTHING
    mean = float(shares.mean())
    if episodes == 1:
        return _wilson(mean, n)
    resampled = bootstrap(shares, seed=seed)
    noise = float(shares.var(ddof=1)) / n if n > 1 else 0.0
    alike = mean * (1 - mean) / noise if noise > 0 else 0.0
    wilson = _wilson(mean, min(max(alike, n), n * episodes))
    return Interval(mean, min(resampled.low, wilson.low), max(resampled.high, wilson.high))


def difference_interval(differences: FloatArray, *, seed: int = 0) -> Interval:
    """Return the mean of paired differences (n_tasks,), in [-1, 1], with its 95 % interval.

    Tasks are resampled. If all differences are equal, the interval instead allows as many deviating
    tasks as Wilson's bound for 0 of n.
    """
    if len(differences) == 0:
        return _NOTHING
    first = float(differences[0])
    if (differences != first).any():
        return bootstrap(differences, seed=seed)
    unseen = unseen_share(len(differences))
    return Interval(first, (1 - unseen) * first - unseen, (1 - unseen) * first + unseen)


def over_seeds(values: Sequence[float]) -> Interval:
    """Return the mean result of whole trainings, (n_seeds,), with Student's 95 % interval.

    Resampling a handful of trainings would make the interval far too narrow. The bounds are nan for
    a single training.
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return Interval(mean, float("nan"), float("nan"))
    wide = float(stats.sem(values) * stats.t.ppf(0.975, n - 1))
    return Interval(mean, mean - wide, mean + wide)


def unseen_share(n: int) -> float:
    """Return Wilson's 95 % upper bound on the share of an event that occurred 0 of n times."""
    return _wilson(0.0, n).high


def pass_at(won: IntArray, episodes: int, k: int) -> FloatArray:
    """Return each task's probability, (n_tasks,), that at least one of k episodes is won.

    The unbiased estimator 1 - C(n - c, k) / C(n, k) of Chen et al. (2021), equation 1.

    Args:
        won: (n_tasks,) number of won episodes of each task, c.
        episodes: number of episodes of each task, n.
        k: number of tries, at most n.
    """
    return 1.0 - pass_all(episodes - won, episodes, k)


def pass_all(won: IntArray, episodes: int, k: int) -> FloatArray:
    """Return each task's probability, (n_tasks,), that all of k episodes are won, pass^k.

    The unbiased estimator C(c, k) / C(n, k) of Yao et al. (2024), section 3; arguments as in
    `pass_at`.
    """
    if not 1 <= k <= episodes:
        raise ValueError(f"k must be from 1 to the {episodes} episodes of a task, got {k}")
    ways = np.array([math.comb(c, k) / math.comb(episodes, k) for c in range(episodes + 1)])
    return np.asarray(ways[won], dtype=np.float64)


def sign_test(better: int, worse: int) -> float:
    """Return the two-sided p-value of the exact sign test.

    With one episode a task this is McNemar's exact test. Ties are left out.
    """
    n = better + worse
    ways = tail = 1  # binomial coefficient C(n, i), and its sum up to i, for i = 0
    for i in range(1, min(better, worse) + 1):
        ways = ways * (n - i + 1) // i
        tail += ways
    return float(min(1.0, 2 * tail / 2**n))


def _wilson(share: float, n: float) -> Interval:
    z2 = _Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Rounding must not leave the share outside its interval.
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))
