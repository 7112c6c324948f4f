"""Conditional advantage estimation (CANON, arXiv 2509.23962): compare halves of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from anchorgym.gigpo.algorithm import Need, Promise, State
from anchorgym.gigpo.arrays import FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm, Roots
from anchorgym.gigpo.normalization import group_spread


@dataclass(frozen=True, kw_only=True)
class CANON(EpisodeAlgorithm):
    """Each group is sorted by a metric and split at n // 2 into a low half L and a high half H.

        i in H:  A(i) = mu (S_i - mean_L) + (1 - mu) (S_i - mean_H)
        i in L:  A(i) = mu (S_i - mean_H) + (1 - mu) (S_i - mean_L)

    mu = 1 compares across the halves (`inter`: which way of playing wins), mu = 0 inside one
    (`intra`: who plays that way best), and `annealed` goes from the former to the latter as the
    batch is solved: mu = 1 - its mean outcome, taken within [0, 1].

    In a task of many turns the metric is the whole trajectory's: the mean entropy of all tokens it
    wrote, or their number. Trajectories that are equal at the split belong to both halves, in equal
    shares, so that no order of rows decides.

    Args:
        metric: `entropy` or `length`.
        mode: `inter`, `intra` or `annealed`.
    """

    metric: Literal["entropy", "length"] = "entropy"
    mode: Literal["inter", "intra", "annealed"] = "inter"

    @property
    def needs(self) -> frozenset[Need]:
        """What the metric is made of."""
        return frozenset({"tokens"} if self.metric == "length" else {"tokens", "entropies"})

    @property
    def promises(self) -> frozenset[Promise]:
        """A lone trajectory gets 0; halves of unequal size do not balance."""
        return frozenset({"singleton_zero", "roots_only"})

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Conditional advantage of each turn's trajectory, `(n_turns,)`; 0 for forks."""
        roots = self.roots(batch)
        n_groups, group = batch.n_groups, roots.group
        low = low_share(self.metrics(batch)[roots.index], group)
        mean_low = _mean(roots.score, low, group, n_groups)[group]
        mean_high = _mean(roots.score, 1 - low, group, n_groups)[group]
        mu = self.mu(batch, roots)
        in_high = roots.score - (mu * mean_low + (1 - mu) * mean_high)
        in_low = roots.score - (mu * mean_high + (1 - mu) * mean_low)
        told_apart = group_spread(roots.score, group, n_groups)[group]
        return roots.per_turn(np.where(told_apart, (1 - low) * in_high + low * in_low, 0.0))

    def metrics(self, batch: TurnBatch) -> FloatArray:
        """What trajectories are sorted by, `(n_trajectories,)`."""
        tokens = self.tokens_of(batch)
        length = np.bincount(batch.trajectory, tokens.lengths, batch.n_trajectories)
        if self.metric == "length" or tokens.entropies is None:
            return length.astype(np.float64)
        total = tokens.sums(tokens.entropies)
        mean = np.bincount(batch.trajectory, total, batch.n_trajectories) / np.maximum(length, 1)
        return np.round(mean, 9)  # sums in another order are to be equal

    def mu(self, batch: TurnBatch, roots: Roots) -> float:
        """Weight of the comparison across halves."""
        if self.mode != "annealed":
            return 1.0 if self.mode == "inter" else 0.0
        score = np.bincount(batch.trajectory, batch.reward, batch.n_trajectories)[roots.index]
        return 1.0 - float(np.clip(score, 0, 1).mean()) if len(score) else 1.0


def low_share(metric: FloatArray, group: IntArray) -> FloatArray:
    """Share of each trajectory that belongs to the low half, `(n,)`: 1, 0, or between in ties."""
    order = np.lexsort((metric, group))
    sorted_group, sorted_metric = group[order], metric[order]
    size = np.bincount(group)
    first = (np.cumsum(size) - size)[sorted_group]
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(sorted_group) != 0) | (np.diff(sorted_metric) != 0)
    run = np.cumsum(new) - 1
    below = np.flatnonzero(new)[run] - first
    ties = np.bincount(run)[run] if len(run) else run
    share = np.empty(len(order))
    share[order] = np.clip((size[sorted_group] // 2 - below) / np.maximum(ties, 1), 0, 1)
    return share


def _mean(score: FloatArray, weight: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """Weighted mean of each group, `(n_groups,)`; 0 where nothing weighs."""
    total = np.bincount(group, weight, n_groups)
    return np.bincount(group, weight * score, n_groups) / np.where(total > 0, total, 1.0)
