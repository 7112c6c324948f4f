"""Hierarchy-of-groups policy optimization (HGPO, arXiv 2602.22817): group turns by history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from anchorgym.gigpo.algorithm import Promise, State
from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.ids import pair_codes
from anchorgym.gigpo.normalization import SPREAD_TOLERANCE, standardise
from anchorgym.gigpo.options import NonNegative, Share, Within
from anchorgym.gigpo.returns import returns_to_go
from anchorgym.gigpo.segments import first_turns, fork_origins, parents_first


@dataclass(frozen=True, kw_only=True)
class HGPO(EpisodeAlgorithm):
    """`A(t) = sum_k w_k a_k(t)`, k = 1 ... history + 1.

    `a_k = R_t - mean R` over the turns of the group whose last k anchors are the same, in the same
    order; k = 1 are GiGPO's step groups. `a_k` is 0 for a turn that has seen fewer than k.
    `w_k` is proportional to `(k + 1)^alpha` over the k whose `a_k` is not 0, so that a level at
    which nothing is comparable takes no weight from the others. A turn that has no rival at any
    level gets 0. Turns of a fork count, with the history of the trajectory that it left.

    Args:
        gamma: discount of the return-to-go `R_t`.
        history: K, the anchors before the present one that the finest level compares.
        alpha: how much more the finer levels weigh.
        norm: `mean`, the equation above, or `mean_std`, which also divides by the deviation at
            each level.
    """

    gamma: Share = 0.95
    history: Annotated[int, Within(0)] = 2
    alpha: NonNegative = 1.0
    norm: Literal["mean", "mean_std"] = "mean"

    @property
    def promises(self) -> frozenset[Promise]:
        """What has no rival gets 0. Weights differ by turn and by history, so no more than that."""
        return frozenset({"singleton_zero"})

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Weighted mean of the levels' advantages of each turn, `(n_turns,)`."""
        returns = returns_to_go(batch, self.gamma, self.rewards(batch) - self.penalties(batch))
        total = np.zeros(len(batch))
        weight = np.zeros(len(batch))
        for k, (groups, whole) in enumerate(history_groups(batch, self.history + 1), start=1):
            centred = standardise(returns, groups, norm="mean")
            # A turn may be worth the mean of others that differ, up to rounding.
            apart = whole & (np.abs(centred) > SPREAD_TOLERANCE * np.abs(returns))
            level = centred if self.norm == "mean" else standardise(returns, groups)
            total += (k + 1) ** self.alpha * np.where(apart, level, 0.0)
            weight += (k + 1) ** self.alpha * apart
        return total / np.where(weight > 0, weight, 1.0)


def history_groups(batch: TurnBatch, levels: int) -> list[tuple[IntArray, BoolArray]]:
    """For k = 1 ... levels, the code of each turn's last k anchors, and whether it has seen k.

    `(n_turns,)` each. Whose history is shorter never has the code of one whose history is not.
    """
    before = np.full(len(batch), -1)
    ordered = batch.trajectory[batch.order]
    follows = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    before[batch.order[follows]] = batch.order[follows - 1]
    if batch.trajectory_parent is not None and len(batch):
        _go_on_from_parents(batch, before)
    found = [(batch.anchor, np.ones(len(batch), np.bool_))]
    for _ in range(levels - 1):
        codes, whole = found[-1]
        # Code 0 stands for a history that begins here; a group's codes never meet another's.
        past = np.where(before >= 0, codes[before] + 1, 0)
        found.append((pair_codes(batch.anchor, past)[0], (before >= 0) & whole[before]))
    return found


def _go_on_from_parents(batch: TurnBatch, before: IntArray) -> None:
    """Have the first turn of a fork follow what came before the turn in whose state it began."""
    origin = fork_origins(batch)
    begins = np.full(batch.n_trajectories, -1)
    begins[batch.trajectory[first_turns(batch)]] = first_turns(batch)
    # A fork may have left another in its first turn.
    for trajectory in parents_first(batch, origin):
        if origin[trajectory] >= 0:
            before[begins[trajectory]] = before[origin[trajectory]]
