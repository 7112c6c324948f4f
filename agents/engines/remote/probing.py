"""Statistics of a probe: whether an engine computes with the weights that it was given.

Engine and model in this process score the same fixed texts. Their log-probabilities differ by what
kernels round, which is as large as the change of a small update in bfloat16. So the change since
texts were last compared is what is looked at: the share of the model's change that the engine did
not make is estimated with its error, and weights are doubted only if that share is certain. The
model rounds, too: the least change of its weights draws its rounding anew, which no engine follows.
What one update leaves open, later ones decide, as changes add up while rounding does not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_TEXTS, _LENGTH = 8, 32
_CERTAIN: Final = 4.0
"""Standard errors by which a share has to exceed what is tolerated."""
_TOLERATED: Final = 0.2
"""Missing share of a change that is put down to rounding."""
_SETTLED: Final = 0.1
"""Uncertainty of the missing share below which an update is settled."""
_GROWTH: Final = 5.0
"""Factor by which differences of engine and model may grow from one settled update to the next."""
_ROUNDING: Final = 2e-5
"""Least rounding of log-probabilities that is assumed, in nats."""


def probe_texts(n_tokens: int, limit: int) -> list[list[int]]:
    """Return the fixed texts that are scored, tokens of the whole vocabulary.

    Args:
        n_tokens: size of the vocabulary.
        limit: largest number of tokens of a context.
    """
    rng = random.Random(0)
    length = min(_LENGTH, limit - 1)
    return [[rng.randrange(n_tokens) for _ in range(length)] for _ in range(_TEXTS)]


@dataclass(frozen=True)
class Scores:
    """Log-probabilities of the texts' tokens, (n,) each in nats."""

    model: FloatArray
    """Those that the model in this process computes."""
    engine: FloatArray
    """Those that the engine computes."""

    @property
    def difference(self) -> float:
        """Root mean square of the differences."""
        return _size(self.engine - self.model)


class Missing(NamedTuple):
    """The share of a change of weights that an engine did not make."""

    share: float
    """0 where it made all of it, 1 where it made none."""
    error: float
    """Standard error of the share; infinite where nothing has changed."""
    rounding: float
    """Most of the share that is rounding of the model itself, from 0 to 1."""


def missing_change(before: Scores, now: Scores) -> Missing:
    """Estimate which share of the model's change the engine did not make."""
    change = now.model - before.model
    size = _size(change)
    if size == 0:
        return Missing(0.0, float("inf"), 1.0)
    made = now.engine - before.engine
    share = 1 - float(made @ change) / float(change @ change)
    noise = 2**0.5 * max(before.difference, _ROUNDING) / size
    return Missing(share, noise / len(change) ** 0.5, min(1.0, noise**2))


def doubt(before: Scores | None, now: Scores, most: float) -> str:
    """Say why an engine does not compute with the model's weights; "" where nothing says so.

    Args:
        before: scores of settled weights; None at first.
        now: scores of the present weights.
        most: largest difference at first, in nats.
    """
    if before is None:
        if now.difference <= most:
            return ""
        return (
            f"its log-probabilities differ from the model's by {now.difference:.3g} nats, and "
            f"{most:.3g} can be rounding"
        )
    missing = missing_change(before, now)
    if missing.share - missing.rounding - _CERTAIN * missing.error > _TOLERATED:
        return (
            f"it has made {1 - missing.share:.0%} of the model's change, "
            f"give or take {missing.error:.0%}"
        )
    usual = _GROWTH * max(before.difference, _ROUNDING)
    if now.difference > usual:
        return (
            f"its log-probabilities differ from the model's by {now.difference:.3g} nats, and by "
            f"{before.difference:.3g} before"
        )
    return ""


def settled(before: Scores | None, now: Scores) -> bool:
    """Whether scores that nothing speaks against can be what later ones are compared with."""
    if before is None:
        return True
    missing = missing_change(before, now)
    return missing.rounding + missing.error < _SETTLED


def joined(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Return the log-probabilities of all texts, (n,)."""
    return np.concatenate([np.asarray(row, np.float64) for row in rows])


def _size(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
