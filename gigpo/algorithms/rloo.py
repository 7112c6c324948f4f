"""RLOO (arXiv 2402.14740): REINFORCE with the mean of the other episodes as baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anchorgym.gigpo.algorithm import State
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.normalization import standardise


@dataclass(frozen=True, kw_only=True)
class RLOO(EpisodeAlgorithm):
    """`A(i) = S_i - mean over j != i of S_j = (S_i - mean_j S_j) n / (n - 1)`.

    n counts the trajectories of the group, whatever their lengths: the baseline of a trajectory is
    made of the others, so it is unbiased. A lone trajectory gets 0. All turns of a trajectory
    share its advantage.
    """

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Score of each turn's trajectory above the mean of its rivals, `(n_turns,)`."""
        roots = self.roots(batch)
        size = roots.size[roots.group]
        centred = standardise(roots.score, roots.group, norm="mean")
        return roots.per_turn(centred * (size / np.maximum(size - 1, 1)))
