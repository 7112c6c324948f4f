"""Matrix games and a small exact learner, to see leagues work where the answer is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from anchorgym.training.league import BestRespond, Mixture, Play

FloatArray = NDArray[np.float64]

PENNIES = np.array([[1.0, -1.0], [-1.0, 1.0]])
RPS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


class Strategies:
    """Mixed strategies by name, and how they fare against each other in one matrix game.

    Args:
        rows: (n_rows, n_columns) payoffs of the row player.
        columns: of the column player; None for a zero-sum game.
    """

    def __init__(self, rows: FloatArray, columns: FloatArray | None = None) -> None:
        self.zero_sum = columns is None
        self.payoffs = rows, -rows if columns is None else columns
        self.known: dict[str, FloatArray] = {}

    def add(self, name: str, strategy: FloatArray | list[float]) -> str:
        self.known[name] = np.asarray(strategy, dtype=np.float64)
        return name

    def pure(self, side: int, action: int) -> str:
        """Return the name of a pure strategy of a side: 0 rows, 1 columns."""
        n = self.payoffs[0].shape[side]
        return self.add(f"{'rc'[side]}{action}", np.eye(n)[action])

    def exact(self) -> Play:
        """Play without chance: every game has the expected payoff."""

        def play(row: str, column: str, n: int, seed: int) -> FloatArray:
            x, y = self.known[row], self.known[column]
            expected = [x @ payoffs @ y for payoffs in self.payoffs]
            return np.full(n, expected[0]) if self.zero_sum else np.tile(expected, (n, 1))

        return play

    def sampled(self) -> Play:
        """Play by drawing actions."""

        def play(row: str, column: str, n: int, seed: int) -> FloatArray:
            rng = np.random.default_rng(seed)
            x, y = self.known[row], self.known[column]
            i, j = rng.choice(len(x), n, p=x), rng.choice(len(y), n, p=y)
            first, second = (payoffs[i, j] for payoffs in self.payoffs)
            return first if self.zero_sum else np.stack([first, second], axis=1)

        return play

    def mean(self, mixture: Mixture) -> FloatArray:
        """Return the strategy that drawing a player and then its action amounts to."""
        return np.sum([p * self.known[name] for name, p in mixture.weights.items()], axis=0)

    def best_response(self, sides: tuple[str, ...]) -> BestRespond:
        """Answer a mixture with the best pure strategy, the first of those that tie."""

        def respond(mixture: Mixture, seed: int) -> str:
            opponents = self.mean(mixture)
            if len(sides) == 2 and mixture.side == sides[0]:
                return self.pure(1, int(np.argmax(opponents @ self.payoffs[1])))
            return self.pure(0, int(np.argmax(self.payoffs[0] @ opponents)))

        return respond


class GradientPlayer:
    """A softmax policy for the rows of a zero-sum game, trained by its exact policy gradient."""

    def __init__(self, payoffs: FloatArray, logits: list[float], rate: float) -> None:
        self.payoffs, self.rate = payoffs, rate
        self.logits = np.array(logits)

    @property
    def strategy(self) -> FloatArray:
        weights = np.exp(self.logits - self.logits.max())
        return np.asarray(weights / weights.sum())

    def learn(self, opponent: FloatArray) -> None:
        x, gains = self.strategy, self.payoffs @ opponent
        self.logits += self.rate * x * (gains - x @ gains)


def self_play(
    payoffs: FloatArray,
    generations: int,
    against: Callable[[list[FloatArray]], FloatArray],
    *,
    updates: int = 5,
    rate: float = 1.0,
) -> list[FloatArray]:
    """Train one policy against chosen opponents; return the strategy after each generation.

    Args:
        payoffs: (n, n) of a symmetric zero-sum game.
        generations: how many.
        against: from the strategies so far, the newest last, to the opponents' mean strategy.
        updates: gradient steps a generation.
        rate: of learning.
    """
    player = GradientPlayer(payoffs, [1.0, *[0.0] * (len(payoffs) - 1)], rate)
    past = [player.strategy]
    for _ in range(generations):
        opponent = against(past)
        for _ in range(updates):
            player.learn(opponent)
        past.append(player.strategy)
    return past
