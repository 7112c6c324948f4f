"""How much of a batch an algorithm can learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anchorgym.gigpo.arrays import FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch


@dataclass(frozen=True)
class GroupStatistics:
    """Shares of a batch's turns, and sizes of its step groups.

    Attributes:
        step_groups: number of step groups.
        mean_step_group: turns in one, on average.
        shared_turns: share of turns whose step group has more than one turn.
        zero_advantage_turns: share of turns whose advantage is exactly 0: no gradient.
    """

    step_groups: int
    mean_step_group: float
    shared_turns: float
    zero_advantage_turns: float


def group_statistics(
    batch: TurnBatch, advantages: FloatArray, groups: IntArray | None = None
) -> GroupStatistics:
    """Statistics of a batch with its `advantages` and step `groups`, both `(n_turns,)`.

    `groups` are the exact anchors unless given; an empty batch has shares of 0.
    """
    sizes = np.bincount(batch.anchor if groups is None else groups)
    sizes = sizes[sizes > 0]
    n_turns = max(len(batch), 1)
    return GroupStatistics(
        step_groups=len(sizes),
        mean_step_group=len(batch) / max(len(sizes), 1),
        shared_turns=float(sizes[sizes > 1].sum()) / n_turns,
        zero_advantage_turns=float(np.count_nonzero(advantages == 0)) / n_turns,
    )
