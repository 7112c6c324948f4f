"""The base of players that are programs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from anchorgym.envs.vgc.actions import Pair, legal_pairs
from anchorgym.envs.vgc.situation import Situation


class Player(Protocol):
    """Chooses from what it knows; keeps nothing between choices."""

    def choose(self, now: Situation) -> Pair:
        """Return one of the joint choices that the situation leaves."""
        ...


class RandomPlayer:
    """Chooses among the joint choices, each as likely as any other.

    Args:
        generator: where its chance comes from.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def choose(self, now: Situation) -> Pair:
        """Return any joint choice."""
        pairs = list(legal_pairs(now.legal))
        return pairs[int(self.generator.integers(len(pairs)))]
