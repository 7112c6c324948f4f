"""The rules of a league's game, mixtures of players, and the contract of `Play`."""

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
"""Plays n games of a pair of players: maps (row, column, n, seed) to their payoffs.

It returns (n,) payoffs of the row player in a zero-sum game, or (n, 2) payoffs of both. The same
arguments give the same games. If one population plays itself, `play` has to swap the seats in half
of the games, so that no player has the better seat."""


class LeagueError(AnchorgymError, ValueError):
    """A player, a result or a file that a league does not accept."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a league, which never change."""

    sides: tuple[str, ...] = ("player",)
    """Names of the sides: one, whose players all meet each other, or two that play each other."""
    zero_sum: bool = True
    """Whether one player wins exactly what the other loses."""
    bounds: tuple[float, float] = (-1.0, 1.0)
    """Lowest and highest payoff of a game for either player."""
    block: int = 16
    """Number of games of a pair that are played at a time."""
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

    def rounding(self, games: int) -> str:
        """Return a line on how a number of games is rounded; empty if it is not.

        Games are played in whole blocks, each with a seed of its own and with the seats swapped in
        half of it, so that no interruption changes a result.
        """
        blocks = -(-games // self.block)
        if blocks * self.block == games:
            return ""
        return (
            f"{games} games of a pair become {blocks * self.block}: they are played in blocks of "
            f"{self.block}, with the seats swapped in half of each"
        )

    @property
    def one_population(self) -> bool:
        """Whether both players of a game are of the same population."""
        return len(self.sides) == 1

    def other(self, side: str) -> str:
        """Return the opposing side of a side: itself if there is only one."""
        return self.sides[1 - self.index(side)] if len(self.sides) == 2 else self.sides[0]

    def index(self, side: str) -> int:
        """Return the index of a side: 0 for rows, 1 for columns.

        Raises:
            LeagueError: there is no such side.
        """
        if side not in self.sides:
            raise LeagueError(f"no side {side!r}: there are {', '.join(self.sides)}")
        return self.sides.index(side)

    def draw(self, *purpose: Any) -> int:
        """Return a seed for each purpose, equal on every machine."""
        text = json.dumps([self.seed, *purpose])
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest())


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of players of one side, against which a best response is trained."""

    side: str
    """The side of these players."""
    weights: Mapping[str, float]
    """Probability of each player; probabilities are positive and add up to 1."""

    def __post_init__(self) -> None:
        values = np.array(list(self.weights.values()), dtype=np.float64)
        if not (len(values) and np.isfinite(values).all() and (values >= 0).all()):
            raise LeagueError(f"a mixture has non-negative finite weights, not {self.weights}")
        if abs(values.sum() - 1) > 1e-6:
            raise LeagueError(f"the weights of a mixture add up to 1, not to {values.sum()}")

    @classmethod
    def of(cls, side: str, players: Sequence[str], chances: ArrayLike) -> Mixture:
        """Return a mixture of players; the probabilities of duplicates are added."""
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
    """Convert the result of `play` to the payoffs (n, 2) of both players.

    Raises:
        LeagueError: the result is not as `Play` describes.
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
            f"{what} payoffs outside [{low}, {high}]: widen Rules.bounds (--league.bounds, in "
            "a new run)"
        )
    if rules.zero_sum and np.abs(payoffs.sum(axis=1)).max(initial=0.0) > 1e-9:
        raise LeagueError(
            f"{what} payoffs that are not zero-sum: set Rules.zero_sum to False "
            "(--league.zero-sum false)"
        )
    return payoffs
