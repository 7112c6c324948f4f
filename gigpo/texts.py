"""What was read and done in the turns of a batch, as text, for the algorithms that read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anchorgym.gigpo.arrays import IntArray
from anchorgym.gigpo.errors import LengthMismatchError


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
