"""The space of text observations and actions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from gymnasium import Space

from anchorgym.envs.texts import is_well_formed

_SAMPLE_ALPHABET = "abcdefghijklmnopqrstuvwxyz 0123456789"


class Unicode(Space[str]):
    """Every well-formed Unicode string of at most `max_length` characters.

    Gymnasium's `Text` lists its characters one by one; free text needs all of them. Lone
    surrogates are outside: such a string cannot be written as UTF-8.
    """

    def __init__(self, max_length: int, *, seed: int | np.random.Generator | None = None) -> None:
        if max_length < 0:
            raise ValueError(f"max_length must be at least 0, got {max_length}")
        self.max_length = max_length
        super().__init__(dtype=str, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Text does not flatten into an array."""
        return False

    def contains(self, x: Any) -> bool:
        """Whether `x` is a well-formed string that is short enough."""
        return isinstance(x, str) and len(x) <= self.max_length and is_well_formed(x)

    def sample(self, mask: None = None, probability: None = None) -> str:
        """Draw a short lower-case string (length and characters uniform)."""
        if mask is not None or probability is not None:
            raise ValueError("Unicode takes neither a mask nor probabilities")
        length = int(self.np_random.integers(0, min(self.max_length, 40) + 1))
        picks = self.np_random.integers(0, len(_SAMPLE_ALPHABET), size=length)
        return "".join(_SAMPLE_ALPHABET[i] for i in picks)

    def __repr__(self) -> str:
        return f"Unicode({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unicode) and other.max_length == self.max_length

    def __hash__(self) -> int:
        return hash((Unicode, self.max_length))


def folded(text: str) -> str:
    """Return a text as worlds read actions: without blanks around it, in one letter case."""
    return text.strip().casefold()


def as_admissible(action: str, admissible: Collection[str]) -> str:
    """Return the admissible action that an action stands for; else the action as it is.

    Every world reads actions by this rule: blanks around an action and its letter case do not
    matter, unless two admissible actions differ in nothing else.
    """
    if action in admissible:
        return action
    for plain in (str.strip, folded):
        meant = {one for one in admissible if plain(one) == plain(action)}
        if len(meant) == 1:
            return meant.pop()
    return action
