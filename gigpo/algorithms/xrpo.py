"""XRPO (arXiv 2510.06672): spend rollouts where they tell most, and reward novel successes."""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated

import numpy as np

from anchorgym.gigpo.algorithm import Need, Promise, State
from anchorgym.gigpo.arrays import FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.normalization import standardise
from anchorgym.gigpo.options import NonNegative, Share, Within

_Z = NormalDist().inv_cdf(0.975)
# Cornish and Fisher's series (1960) for Student's quantile, in powers of 1 / degrees.
_SERIES = (
    (_Z**3 + _Z) / 4,
    (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96,
    (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384,
    (79 * _Z**9 + 776 * _Z**7 + 1482 * _Z**5 - 1920 * _Z**3 - 945 * _Z) / 92160,
)


@dataclass(frozen=True, kw_only=True)
class XRPO(EpisodeAlgorithm):
    """GRPO's advantage, a bonus for novel successes, and rollouts where they inform.

    Each task first gets `base` rollouts. What is left of the budget goes out in `rounds`, one
    rollout at a time to the task with the highest

        h(n) - h(n + 1) + explore sqrt(log(1 + T) / n),    h(n) = t s / sqrt(n)

    where n rollouts of a task scored with deviation s (unbiased), t is Student's 0.975 quantile
    with n - 1 degrees of freedom, and T counts all rollouts: the expected fall of the 95 % interval
    of its success, and a term that no task escapes.

        eta(i) = exp(s_i - mean of s over the group)
        A(i)  += min(max(novelty (1 - eta(i)), 0), cap A(i))    where i succeeded and A(i) > 0

    `s_i` is here the mean log-probability of what trajectory i wrote, in all its turns, when it was
    sampled. Known from secondary sources. The paper's solved examples
    in the prompts of tasks that nobody solves are left out.

    Args:
        base: first rollouts of every task, which begin to measure s; at least 2.
        rounds: in which the rest of the budget is played.
        explore: weight of the exploration term.
        novelty: weight of novelty.
        cap: of the bonus, as a share of the advantage.
        threshold: a trajectory that scores more succeeded.
    """

    base: Annotated[int, Within(2)] = 4
    rounds: Annotated[int, Within(1)] = 2
    explore: NonNegative = 0.1
    novelty: NonNegative = 2.5
    cap: Share = 0.5
    threshold: Annotated[float, Within()] = 0.0

    @property
    def needs(self) -> frozenset[Need]:
        """Log-probabilities."""
        return frozenset({"tokens"})

    @property
    def promises(self) -> frozenset[Promise]:
        """The bonus does not add up to 0."""
        return frozenset({"singleton_zero", "per_trajectory", "roots_only"})

    def allocate(
        self,
        tasks: Sequence[Hashable],
        budget: int,
        state: State,
        played: Sequence[Sequence[float]] = (),
    ) -> IntArray:
        """First `base` rollouts each, as far as they go; then where they inform most."""
        if not played or not any(played):
            return super().allocate(tasks, min(budget, self.base * len(tasks)), state)
        done = sum(map(len, played)) - self.base * len(tasks)
        share = -(-(done + budget) // self.rounds)
        return allocated(played, min(share, budget), self.explore)

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Standardised score of each turn's trajectory with its bonus, `(n_turns,)`."""
        roots = self.roots(batch)
        value = standardise(roots.score, roots.group)
        likely = self.mean_logprobs(batch)[roots.index]
        size = np.maximum(roots.size, 1)
        mean = np.bincount(roots.group, likely, batch.n_groups) / size
        eta = np.exp(np.minimum(likely - mean[roots.group], 700))
        bonus = np.minimum(np.maximum(self.novelty * (1 - eta), 0), self.cap * value)
        rewarded = (self.outcomes(batch)[roots.index] > self.threshold) & (value > 0)
        return roots.per_turn(value + np.where(rewarded, bonus, 0.0))

    def mean_logprobs(self, batch: TurnBatch) -> FloatArray:
        """`s_i` of each trajectory, `(n_trajectories,)`; 0 where it wrote nothing."""
        tokens = self.tokens_of(batch)
        total = np.bincount(batch.trajectory, tokens.sums(tokens.logprobs), batch.n_trajectories)
        length = np.bincount(batch.trajectory, tokens.lengths, batch.n_trajectories)
        return total / np.maximum(length, 1)


def allocated(played: Sequence[Sequence[float]], budget: int, explore: float) -> IntArray:
    """Rollouts for each task, `(n_tasks,)`: each one to the task of the highest priority."""
    counts = [len(scores) for scores in played]
    spreads = [float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0 for scores in played]
    total = sum(counts)

    def priority(task: int) -> float:
        n = max(counts[task], 1)
        return information(n, spreads[task]) + explore * math.sqrt(math.log1p(total) / n)

    shares = np.zeros(len(played), np.int64)
    queue = [(-priority(task), task) for task in range(len(played))]
    heapq.heapify(queue)
    for _ in range(budget if queue else 0):
        _, task = queue[0]
        shares[task] += 1
        counts[task] += 1
        heapq.heapreplace(queue, (-priority(task), task))
    return shares


def information(n: int, spread: float) -> float:
    """`h(n) - h(n + 1)`: how far the interval narrows with one more rollout."""
    if spread == 0 or n < 2:
        return 0.0
    return spread * (quantile(n - 1) / math.sqrt(n) - quantile(n) / math.sqrt(n + 1))


def quantile(degrees: int) -> float:
    """Student's 0.975 quantile, to 2 in a thousand."""
    if degrees == 1:
        return math.tan(math.pi * 0.475)
    if degrees == 2:
        return math.sqrt(2 * 0.95**2 / (1 - 0.95**2))
    inverse, tail = 1 / degrees, 0.0
    for term in reversed(_SERIES):
        tail = (tail + term) * inverse
    return _Z + tail
