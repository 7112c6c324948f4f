"""Hierarchy-of-groups policy optimisation: step groups by ever longer histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from anchorgym.gigpo.algorithm import Promise, State
from anchorgym.gigpo.arrays import FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.ids import pair_codes
from anchorgym.gigpo.moments import standardise
from anchorgym.gigpo.options import NonNegative, Share, Within
from anchorgym.gigpo.returns import returns_to_go


@dataclass(frozen=True, kw_only=True)
class HGPO(EpisodeAlgorithm):
    """`A(t) = sum_k w_k a_k(t)`, k = 1 ... history + 1.

    `a_k = R_t - mean R` over the turns of the group whose last k anchors are the same, in the same
    order; k = 1 are GiGPO's step groups, without a deviation. A turn that has fewer than k turns
    behind it is only like others with as many. `w_k` is proportional to `(k + 1)^alpha` over the
    k whose `a_k` is not 0, so that a level at which nothing is comparable takes no weight from the
    others. A turn that has no rival at any level gets 0. Turns of a fork count: where it began,
    their history begins.

    Args:
        gamma: discount of the return-to-go `R_t`.
        history: K, the anchors before the present one that the finest level compares.
        alpha: how much more the finer levels weigh.
    """

    gamma: Share = 0.95
    history: Annotated[int, Within(0)] = 2
    alpha: NonNegative = 1.0

    @property
    def promises(self) -> frozenset[Promise]:
        """What has no rival gets 0. Weights differ by turn and by history, so no more than that."""
        return frozenset({"singleton_zero"})

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Weighted mean of the levels' advantages of each turn, `(n_turns,)`."""
        returns = returns_to_go(batch, self.gamma, self.rewards(batch) - self.penalties(batch))
        total = np.zeros(len(batch))
        weight = np.zeros(len(batch))
        for k, groups in enumerate(history_groups(batch, self.history + 1), start=1):
            level = standardise(returns, groups, norm="mean")
            total += (k + 1) ** self.alpha * level
            weight += (k + 1) ** self.alpha * (level != 0)
        return total / np.where(weight > 0, weight, 1.0)


def history_groups(batch: TurnBatch, levels: int) -> list[IntArray]:
    """For k = 1 ... levels, the code of each turn's last k anchors, `(n_turns,)`."""
    before = np.full(len(batch), -1)
    ordered = batch.trajectory[batch.order]
    follows = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    before[batch.order[follows]] = batch.order[follows - 1]
    found = [batch.anchor]
    for _ in range(levels - 1):
        # Code 0 stands for a history that begins here; a group's codes never meet another's.
        past = np.where(before >= 0, found[-1][before] + 1, 0)
        found.append(pair_codes(batch.anchor, past)[0])
    return found
