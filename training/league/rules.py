"""What a league knows of the game that is played in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anchorgym.envs.errors import AnchorgymError

FloatArray = NDArray[np.float64]

Play = Callable[[str, str, int, int], ArrayLike]
"""Plays n games of a pair of players: (row, column, n, seed) to their payoffs.

It returns (n,) payoffs of the row player in a zero-sum game, or (n, 2) payoffs of both. The same
arguments give the same games. Where one population plays itself, `play` sees to it that neither
player has the better seat: it plays half of the games either way round."""


class LeagueError(AnchorgymError, ValueError):
    """Something that a league cannot take: a player, a result, a file."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is fixed for the life of a league."""

    sides: tuple[str, ...] = ("player",)
    """One: everybody meets everybody. Two, such as attacker and defender: rows meet columns."""
    zero_sum: bool = True
    """Whether what one wins the other loses."""
    bounds: tuple[float, float] = (-1.0, 1.0)
    """The lowest and highest payoff that a game can have for either player."""
    block: int = 16
    """Games of a pair are played so many at a time; more of them are further blocks."""
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = self.bounds
        if len(self.sides) not in (1, 2) or len(set(self.sides)) < len(self.sides):
            raise LeagueError(f"a league has one side or two of different names, not {self.sides}")
        if not (np.isfinite([low, high]).all() and low < high):
            raise LeagueError(f"bounds are two finite numbers, the lower first, not {self.bounds}")
        if self.zero_sum and low != -high:
            raise LeagueError(f"in a zero-sum game the bounds are -x and x, not {self.bounds}")
        if self.block < 1:
            raise LeagueError(f"a block has at least one game, not {self.block}")

    @property
    def one_population(self) -> bool:
        """Whether both players of a game are of the same population."""
        return len(self.sides) == 1

    def other(self, side: str) -> str:
        """Return the side that a side plays against: itself where there is only one."""
        return self.sides[1 - self.index(side)] if len(self.sides) == 2 else self.sides[0]

    def index(self, side: str) -> int:
        """Return 0 for the side of the rows, 1 for that of the columns.

        Raises:
            LeagueError: there is no such side.
        """
        if side not in self.sides:
            raise LeagueError(f"no side {side!r}: there are {', '.join(self.sides)}")
        return self.sides.index(side)

    def draw(self, *purpose: Any) -> int:
        """Return a seed of its own for each purpose, the same on every machine."""
        text = json.dumps([self.seed, *purpose])
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest())


@dataclass(frozen=True, slots=True)
class Mixture:
    """Players of one side with the chance of each: who a best response is trained against."""

    side: str
    """The side of these players."""
    weights: Mapping[str, float]
    """By player, positive, adding up to 1."""

    def __post_init__(self) -> None:
        values = np.array(list(self.weights.values()), dtype=np.float64)
        if not (len(values) and np.isfinite(values).all() and (values >= 0).all()):
            raise LeagueError(f"a mixture has non-negative finite weights, not {self.weights}")
        if abs(values.sum() - 1) > 1e-6:
            raise LeagueError(f"the weights of a mixture add up to 1, not to {values.sum()}")

    @classmethod
    def of(cls, side: str, players: Sequence[str], chances: ArrayLike) -> Mixture:
        """Return the mixture of players; one that is there twice has both chances."""
        weights: dict[str, float] = {}
        for name, chance in zip(players, np.asarray(chances, dtype=np.float64), strict=True):
            if chance > 0:
                weights[name] = weights.get(name, 0.0) + float(chance)
        return cls(side, weights)

    def sample(self, n: int, seed: int) -> list[str]:
        """Draw n players."""
        rng = np.random.default_rng(seed)
        names, chances = list(self.weights), np.array(list(self.weights.values()))
        return [names[i] for i in rng.choice(len(names), size=n, p=chances / chances.sum())]


def payoffs_of(result: ArrayLike, n: int, rules: Rules, pair: tuple[str, str]) -> FloatArray:
    """Return the payoffs (n, 2) of both players that `play` returned of n games.

    Raises:
        LeagueError: they are not what `Play` describes.
    """
    what = f"play{(*pair, n)} returned"
    try:
        payoffs = np.asarray(result, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LeagueError(f"{what} no numbers: {error}") from error
    if rules.zero_sum and payoffs.shape == (n,):
        payoffs = np.stack([payoffs, -payoffs], axis=1)
    if payoffs.shape != (n, 2):
        shapes = f"({n},) or ({n}, 2)" if rules.zero_sum else f"({n}, 2)"
        raise LeagueError(f"{what} payoffs of shape {payoffs.shape}, not {shapes}")
    low, high = rules.bounds
    if not (np.isfinite(payoffs).all() and (payoffs >= low).all() and (payoffs <= high).all()):
        raise LeagueError(
            f"{what} payoffs outside [{low}, {high}]: widen Rules.bounds (--league.bounds)"
        )
    if rules.zero_sum and np.abs(payoffs.sum(axis=1)).max(initial=0.0) > 1e-9:
        raise LeagueError(
            f"{what} payoffs that are not zero-sum: set Rules.zero_sum to False "
            "(--league.zero-sum false)"
        )
    return payoffs
