"""Correction of the mismatch between the engine that sampled and the learner that is trained.

An engine with kernels or rounding of its own samples from a distribution that is not quite the
learner's, so that its samples are off-policy before the first step. The ratio of a token is

    ratio_t = exp(logprob of the learner - logprob of the engine)

and the loss of a token is weighted with it, truncated at a cap (truncated importance sampling).
Ratios far from 1 tell of an outlier, or of weights that the engine has not taken: those tokens are
left out. Afterwards the learner's log-probabilities are the ones that its loss starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anchorgym.training.learning.contract import Statistics
from anchorgym.training.learning.rows import TokenRow

Unit = Literal["token", "turn"]
"""Text whose ratio is corrected for: each token by itself, or a whole response."""
Floats = NDArray[np.float64]


def corrected(
    rows: Sequence[TokenRow],
    logprobs: Sequence[Floats],
    unit: Unit,
    *,
    cap: float,
    limit: float,
    weighable: bool = True,
) -> tuple[list[TokenRow], Statistics]:
    """Return rows with the learner's log-probabilities and weighted advantages.

    The loss of a token is proportional to its advantage, so its weight is that of the advantage.

    Args:
        rows: rows with the log-probabilities of the engine.
        logprobs: (n_written,) log-probabilities of the learner for each row, in nats.
        unit: `token`, or `turn` for the product of the ratios of a response.
        cap: largest weight.
        limit: ratio beyond which, or below whose inverse, a unit is left out.
        weighable: see `Algorithm.weighable`; advantages that are no factors stay as they are, and
            the mismatch is only measured.

    Returns:
        The rows, and `mismatch_kl` (divergence of the learner from the engine, in nats a token),
        `mismatch_ess` (effective sample size, as a share of the tokens), `mismatch_max` (largest
        ratio), `mismatch_dropped` (share of tokens that are left out) and `mismatch_unknown` (share
        of tokens without a finite log-probability, which are left out too).
    """
    out, differences, kept = [], [], []
    for row, own in zip(rows, logprobs, strict=True):
        logs = _log_ratios(row, own, unit)
        weights = np.minimum(np.exp(np.minimum(logs, np.log(cap))), cap)
        # A comparison with NaN is false, so tokens without a log-probability are left out too.
        weights[~(np.abs(logs) <= np.log(limit))] = 0.0
        if not weighable:
            weights = np.ones_like(logs)
        advantages = np.where(weights == 0, 0.0, weights * np.asarray(row.advantages))
        out.append(replace(row, logprobs=own.tolist(), advantages=advantages.tolist()))
        differences.append(own - np.asarray(row.logprobs, dtype=float))
        kept.append(weights)
    return out, _statistics(np.concatenate(differences), np.concatenate(kept))


def _log_ratios(row: TokenRow, own: Floats, unit: Unit) -> Floats:
    """Return the logarithm of each token's ratio, or of that of its response: (n_written,)."""
    logs: Floats = own - np.asarray(row.logprobs, dtype=float)
    if unit == "token" or not len(logs):
        return logs
    _, turns = np.unique(row.turns, return_inverse=True)
    return np.asarray(np.bincount(turns, logs)[turns], dtype=float)


def _statistics(logs: Floats, weights: Floats) -> Statistics:
    known = np.isfinite(logs)
    near = np.clip(logs[known], -20, 20)
    total, squares = weights.sum(), np.square(weights).sum()
    return {
        "mismatch_kl": float(np.mean(np.expm1(near) - near)) if near.size else 0.0,
        "mismatch_ess": float(total**2 / (len(weights) * squares)) if squares else 0.0,
        "mismatch_max": float(np.exp(np.max(near))) if near.size else 1.0,
        "mismatch_dropped": float(np.mean(weights == 0)) if weights.size else 0.0,
        "mismatch_unknown": float(np.mean(~known)) if known.size else 0.0,
    }
