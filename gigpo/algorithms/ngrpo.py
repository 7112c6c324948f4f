"""Negative-enhanced GRPO (NGRPO, arXiv 2509.18851): learn from groups that failed entirely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from anchorgym.gigpo.algorithm import Promise, State
from anchorgym.gigpo.arrays import BoolArray, FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.normalization import standardise
from anchorgym.gigpo.options import NonNegative, Within


@dataclass(frozen=True, kw_only=True)
class NGRPO(EpisodeAlgorithm):
    """`A(i) = (S_i - m) / (s + 1e-6)`, m and s over the group's scores and one more: `best`.

    The virtual trajectory lowers everyone: where all failed, all get the same negative advantage
    instead of none, and where all succeeded, 0. `s` is the unbiased deviation of n + 1 values. To
    keep that push from running away, the ratio may rise further than it may fall. Only groups that
    are all correct are dropped, and drawn anew. The paper's groups have 8 members.

    Args:
        best: the score of a perfect trajectory, after `reward_scale`.
    """

    clip_low: Annotated[float, Within(0, 1)] = 0.16
    clip_high: NonNegative = 0.24
    best: Annotated[float, Within()] = 1.0

    @property
    def promises(self) -> frozenset[Promise]:
        """Trajectories weigh the same; with the virtual one, sums are not 0."""
        return frozenset({"per_trajectory", "roots_only"})

    def keep(self, batch: TurnBatch, state: State) -> BoolArray:
        """The groups in which somebody did not reach `best`, `(n_groups,)`."""
        roots = self.roots(batch, self.outcomes(batch))
        short = roots.score < self.best - 1e-9 * abs(self.best)
        return np.bincount(roots.group[short], minlength=batch.n_groups) > 0

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Standardised score of each turn's trajectory, `(n_turns,)`; 0 for forks."""
        roots = self.roots(batch)
        groups = np.unique(roots.group)
        values = standardise(
            np.concatenate([roots.score, np.full(len(groups), float(self.best))]),
            np.concatenate([roots.group, groups]),
        )
        return roots.per_turn(values[: len(roots.index)])
