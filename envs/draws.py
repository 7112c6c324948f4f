"""Random draws that are the same on every machine and in every Python release."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

from anchorgym.envs.texts import id_bytes

T = TypeVar("T")


class Draws:
    """Random draws named by a text.

    They are made of `random.Random(int).random()` alone, whose values Python promises to keep;
    `sample`, `shuffle` and `choices` may change.
    """

    def __init__(self, name: str) -> None:
        seed = int.from_bytes(blake2b(id_bytes(name), digest_size=16).digest(), "big")
        self._random = random.Random(seed).random

    def below(self, bound: int) -> int:
        """Return a number in [0, bound)."""
        return int(self._random() * bound)

    def fraction(self) -> float:
        """Return a number in [0, 1)."""
        return self._random()

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random() < probability

    def choice(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.below(len(options))]

    def weighted(self, totals: Sequence[float]) -> int:
        """Return a number below `len(totals)`, whose running totals of odds these are."""
        return bisect_right(totals, self._random() * totals[-1], hi=len(totals) - 1)
