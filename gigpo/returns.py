"""Discounted returns-to-go."""

from __future__ import annotations

import numpy as np

from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch


def returns_to_go(batch: TurnBatch, gamma: float, reward: FloatArray | None = None) -> FloatArray:
    """`R_t = sum over k >= t of gamma^(k-t) r_k` inside each trajectory, `(n_turns,)`.

    The scan doubles its reach: after round j, a row holds the discounted sum of its next 2^j
    turns. Every round is one vector operation over the rows that still have turns ahead, so one
    trajectory of a million turns costs about what a million turns of short ones do; and nothing
    is ever divided by a power of gamma.

    Args:
        batch: the turns; each may occur once.
        gamma: discount, in [0, 1].
        reward: `(n_turns,)` to discount in place of the batch's own rewards.

    Raises:
        RepeatedTurnError: rows were repeated; a return would count them twice.
    """
    batch.require_distinct_turns()
    order = batch.order
    returns = (batch.paid if reward is None else reward)[order]
    length = np.bincount(batch.trajectory, minlength=batch.n_trajectories)
    ahead = np.repeat(np.cumsum(length), length) - 1 - np.arange(len(batch))
    reach, discount = 1, gamma
    rows = np.flatnonzero(ahead >= reach)
    while len(rows) and discount:
        returns[rows] += discount * returns[rows + reach]
        reach, discount = 2 * reach, discount * discount
        rows = rows[ahead[rows] >= reach]
    by_row = np.empty_like(returns)
    by_row[order] = returns
    return by_row
