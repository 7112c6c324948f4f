"""Columns for algorithms that look inside a turn: response tokens, observations and actions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from anchorgym.gigpo.arrays import FloatArray, IntArray
from anchorgym.gigpo.errors import LengthMismatchError, NonFiniteError


@dataclass(frozen=True)
class TokenColumns:
    """Ragged columns: the tokens of all responses laid end to end, in the batch's row order.

    Attributes:
        offsets: `(n_turns + 1,)` turn t wrote the tokens `offsets[t]:offsets[t + 1]`.
        logprobs: `(n_tokens,)` in nats, when they were sampled.
        entropies: `(n_tokens,)` in nats, of the distribution that each token was drawn from;
            None where nobody asked for them.
    """

    offsets: IntArray
    logprobs: FloatArray
    entropies: FloatArray | None = None

    @classmethod
    def from_rows(
        cls,
        logprobs: Iterable[Iterable[float]],
        entropies: Iterable[Iterable[float]] | None = None,
    ) -> TokenColumns:
        """Lay out the values of each turn's tokens; a response may be empty.

        Raises:
            LengthMismatchError: a turn has another number of entropies than of log-probabilities.
            NonFiniteError: a value is NaN or infinite.
        """
        offsets, values = _laid_out("logprobs", logprobs)
        if entropies is None:
            return cls(offsets, values)
        others, column = _laid_out("entropies", entropies)
        if not np.array_equal(offsets, others):
            raise LengthMismatchError("entropies: give each token one, as in logprobs")
        return cls(offsets, values, column)

    def __len__(self) -> int:
        return len(self.logprobs)

    @property
    def lengths(self) -> IntArray:
        """`(n_turns,)` tokens of each response."""
        return np.diff(self.offsets)

    @cached_property
    def turn(self) -> IntArray:
        """`(n_tokens,)` the row of each token's turn."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def spread(self, per_turn: npt.NDArray[np.float64]) -> FloatArray:
        """Give each token its turn's value, `(n_tokens,)`."""
        return per_turn[self.turn]

    def sums(self, per_token: FloatArray) -> FloatArray:
        """Sum over each turn's tokens, `(n_turns,)`."""
        return np.bincount(self.turn, per_token, len(self.lengths)).astype(np.float64)

    def means(self, per_token: FloatArray) -> FloatArray:
        """Mean over each turn's tokens, `(n_turns,)`; 0 where there are none."""
        return self.sums(per_token) / np.maximum(self.lengths, 1)

    def take(self, rows: IntArray) -> TokenColumns:
        """The tokens of these turns, in this order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        tokens = np.repeat(self.offsets[rows], lengths) + within
        entropies = None if self.entropies is None else self.entropies[tokens]
        return TokenColumns(offsets, self.logprobs[tokens], entropies)


@dataclass(frozen=True)
class TextColumns:
    """Two texts a turn, in the batch's row order.

    Attributes:
        observations: `(n_turns,)` what the agent read.
        actions: `(n_turns,)` what it did.
    """

    observations: tuple[str, ...]
    actions: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that each turn has both.

        Raises:
            LengthMismatchError: there are more of one than of the other.
        """
        if len(self.observations) != len(self.actions):
            raise LengthMismatchError("texts: give each turn an observation and an action")

    def __len__(self) -> int:
        return len(self.actions)

    def take(self, rows: IntArray) -> TextColumns:
        """The texts of these turns, by index."""
        chosen = np.asarray(rows).tolist()
        return TextColumns(
            tuple(self.observations[row] for row in chosen),
            tuple(self.actions[row] for row in chosen),
        )


def _laid_out(name: str, rows: Iterable[Iterable[float]]) -> tuple[IntArray, FloatArray]:
    lists = [list(row) for row in rows]
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    values = np.fromiter(chain.from_iterable(lists), np.float64, int(offsets[-1]))
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        turn = int(np.searchsorted(offsets, wrong[0], "right")) - 1
        raise NonFiniteError(f"{name}[{turn}] holds {values[wrong[0]]}: give finite numbers")
    return offsets, values
