"""The base of algorithms that compare whole trajectories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anchorgym.gigpo.algorithm import Algorithm, Promise, State
from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.normalization import group_spread, standardise
from anchorgym.gigpo.options import NonNegative


@dataclass(frozen=True)
class Roots:
    """The trajectories that began at their task's start, with one value each.

    A fork was selected rather than sampled, so it is not among them.

    Attributes:
        batch: they are of.
        index: `(n_roots,)` their codes.
        group: `(n_roots,)` codes of their groups.
        score: `(n_roots,)` see `EpisodeAlgorithm.scores`.
    """

    batch: TurnBatch
    index: IntArray
    group: IntArray
    score: FloatArray

    @property
    def size(self) -> IntArray:
        """`(n_groups,)` roots of each group."""
        return np.bincount(self.group, minlength=self.batch.n_groups)

    def means(self) -> FloatArray:
        """`(n_groups,)` mean score of each group; 0 where it has no root."""
        total = np.bincount(self.group, self.score, self.batch.n_groups)
        return total / np.maximum(self.size, 1)

    def per_trajectory(self, values: FloatArray) -> FloatArray:
        """Values of the roots as `(n_trajectories,)`; 0 for others."""
        result = np.zeros(self.batch.n_trajectories)
        result[self.index] = values
        return result

    def per_turn(self, values: FloatArray) -> FloatArray:
        """Values of the roots at their turns, `(n_turns,)`; 0 at the turns of forks."""
        return self.per_trajectory(values)[self.batch.trajectory]


@dataclass(frozen=True, kw_only=True)
class EpisodeAlgorithm(Algorithm):
    """Base of the algorithms that score trajectories and compare them in their group.

    Their advantage is GRPO's, unless they have one of their own.

    Args:
        invalid_penalty: subtracted for every invalid action; not negative.
    """

    invalid_penalty: NonNegative = 0.0

    @property
    def promises(self) -> frozenset[Promise]:
        """All promises."""
        return frozenset({"zero_sum", "singleton_zero", "per_trajectory", "roots_only"})

    def outcomes(self, batch: TurnBatch) -> FloatArray:
        """How each trajectory's task went, `(n_trajectories,)`: the sum of its `task_rewards`.

        Neither penalties nor bonuses are in it.

        Raises:
            RepeatedTurnError: rows were repeated; a sum would count them twice.
        """
        batch.require_distinct_turns()
        total = np.bincount(batch.trajectory, self.task_rewards(batch), batch.n_trajectories)
        return total.astype(np.float64)

    def penalties(self, batch: TurnBatch) -> FloatArray:
        """What is subtracted from the reward of each turn, `(n_turns,)`."""
        return np.where(batch.valid, 0.0, self.invalid_penalty)

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Standardised score of each turn's trajectory, `(n_turns,)`; 0 for forks."""
        roots = self.roots(batch)
        return roots.per_turn(standardise(roots.score, roots.group))

    def scores(self, batch: TurnBatch) -> FloatArray:
        """`S_i`, the sum of `rewards` less penalties over each trajectory, `(n_trajectories,)`."""
        batch.require_distinct_turns()
        reward = self.rewards(batch) - self.penalties(batch)
        return np.bincount(batch.trajectory, reward, batch.n_trajectories).astype(np.float64)

    def roots(self, batch: TurnBatch, score: FloatArray | None = None) -> Roots:
        """The trajectories that statistics are made of, scored by `scores` unless told otherwise.

        `score` is `(n_trajectories,)`.
        """
        index = np.flatnonzero(batch.present & ~batch.trajectory_fork)
        score = self.scores(batch) if score is None else score
        return Roots(batch, index, batch.trajectory_group[index], score[index])

    def mixed_groups(self, batch: TurnBatch) -> BoolArray:
        """Which groups have roots with different `outcomes`, `(n_groups,)`."""
        roots = self.roots(batch, self.outcomes(batch))
        return group_spread(roots.score, roots.group, batch.n_groups)
