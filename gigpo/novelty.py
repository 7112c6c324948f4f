"""Bonuses for states that were seldom reached: in the episode, in all of training, or in both.

As compared by Henaff et al., "A Study of Global and Episodic Bonuses for Exploration in Contextual
MDPs" (arXiv 2306.03236). A state is what turns are grouped by, so its count is one of anchors.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np

from anchorgym.gigpo.arrays import FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.ids import pair_codes, typed_key

Novelty = Literal["none", "episodic", "global", "product"]

Counts = dict[str, int]
"""Visits in all batches so far, by a digest of the anchor: JSON values, saved with checkpoints."""


def novelty_bonus(batch: TurnBatch, kind: Novelty, counts: Counts) -> FloatArray:
    """What each turn earns for the state that it led to, `(n_turns,)`, in [0, 1].

        episodic:  1 / sqrt(n)         n visits in its trajectory, this one included
        global:    1 / sqrt(N)         N visits in all batches, this one included as a whole
        product:   1 / sqrt(n N)

    The last turn of a trajectory leads to no turn, and earns nothing. Of a fork, only its own turns
    are its trajectory.

    Args:
        batch: the turns; anchors are the same state wherever they are equal, in other groups too.
        kind: of bonus.
        counts: of the batches before; those of this one are added.
    """
    visited = _global_counts(batch, counts)
    bonus = np.zeros(len(batch))
    if kind == "none":
        return bonus
    order = batch.order
    onward = np.flatnonzero(np.diff(batch.trajectory[order]) == 0)
    turns, reached = order[onward], order[onward + 1]
    n = _visits_so_far(batch)[reached] if kind in ("episodic", "product") else 1
    total = visited[reached] if kind in ("global", "product") else 1
    bonus[turns] = 1 / np.sqrt(n * total)
    return bonus


def _global_counts(batch: TurnBatch, counts: Counts) -> IntArray:
    """Add the batch's visits to the counts; return the count of each turn's anchor, `(n_turns,)`.

    Every group has codes of its own, so an anchor may have several.
    """
    names = [digest_of(anchor) for anchor in batch.anchor_ids]
    for name, visits in zip(names, np.bincount(batch.anchor, minlength=len(names)), strict=True):
        counts[name] = counts.get(name, 0) + int(visits)
    return np.array([counts[name] for name in names], np.int64)[batch.anchor]


def _visits_so_far(batch: TurnBatch) -> IntArray:
    """How often a turn's trajectory has met its anchor, this turn included, `(n_turns,)`."""
    order = batch.order
    pair, _ = pair_codes(batch.trajectory[order], batch.anchor[order])
    by_pair = np.argsort(pair, kind="stable")
    size = np.bincount(pair)
    first = np.repeat(np.cumsum(size) - size, size)
    visits = np.empty(len(batch), np.int64)
    visits[order[by_pair]] = np.arange(len(batch)) - first + 1
    return visits


def digest_of(anchor: object) -> str:
    """Return a name of an anchor that is the same on every machine."""
    return hashlib.blake2b(repr(typed_key(anchor)).encode(), digest_size=8).hexdigest()
