"""The payoff table of a league: all games, and mean payoffs of each pair with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from anchorgym.training.evaluation.statistics import Interval, bootstrap, unseen_share
from anchorgym.training.league.rules import FloatArray, LeagueError, Rules


class Block(NamedTuple):
    """Games of a pair that were played together."""

    row: str
    column: str
    number: int
    """Number of earlier blocks of the pair."""
    payoffs: FloatArray
    """(n_games, 2) payoffs of row and column player."""


class PayoffTable:
    """Payoffs of pairs of players, to which games are only added.

    In a league of one side a pair has no order: its games are stored once and read in both
    directions. Players are names, which may belong to no member of the league.

    Args:
        rules: rules of the league.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._blocks: dict[tuple[str, str], list[FloatArray]] = {}
        self._means: dict[tuple[str, str], tuple[float, float]] = {}
        self._intervals: dict[tuple[str, str, int], Interval] = {}

    def pair(self, row: str, column: str) -> tuple[str, str]:
        """Return a pair in the order in which its games are stored."""
        if self.rules.one_population and column < row:
            return column, row
        return row, column

    def settled(self, row: str, column: str) -> bool:
        """Whether a pair needs no games: a player against itself in a zero-sum game."""
        return self.rules.one_population and self.rules.zero_sum and row == column

    def add(self, block: Block) -> None:
        """Add games.

        Raises:
            LeagueError: the pair is in the wrong order, or the block is not the pair's next.
        """
        pair = block.row, block.column
        if pair != self.pair(*pair):
            raise LeagueError(f"the games of {pair} are kept as those of {self.pair(*pair)}")
        expected = self.blocks(*pair)
        if block.number != expected:
            raise LeagueError(f"block {block.number} of {pair} is not its next, {expected}")
        self._blocks.setdefault(pair, []).append(block.payoffs)
        for row, column in (pair, pair[::-1]):
            self._means.pop((row, column), None)
            for of in (0, 1):
                self._intervals.pop((row, column, of), None)

    def blocks(self, row: str, column: str) -> int:
        """Return the number of blocks of a pair."""
        return len(self._blocks.get(self.pair(row, column), ()))

    def games(self, row: str, column: str) -> FloatArray:
        """Return the payoffs (n_games, 2) of a pair's games, the row player's first."""
        pair = self.pair(row, column)
        blocks = self._blocks.get(pair)
        if not blocks:
            return np.empty((0, 2))
        payoffs = np.concatenate(blocks)
        if self.rules.one_population and row == column:
            return np.repeat(payoffs.mean(axis=1, keepdims=True), 2, axis=1)  # both are one player
        return payoffs if pair == (row, column) else payoffs[:, ::-1]

    def mean(self, row: str, column: str) -> tuple[float, float]:
        """Return the mean payoffs of row and column player; NaN without games."""
        if self.settled(row, column):
            return 0.0, 0.0
        if (row, column) not in self._means:
            games = self.games(row, column)
            mean = games.mean(axis=0) if len(games) else (float("nan"), float("nan"))
            self._means[row, column] = float(mean[0]), float(mean[1])
        return self._means[row, column]

    def interval(self, row: str, column: str, of: int = 0) -> Interval:
        """Return the mean payoff of the row (0) or column (1) player, with its 95 % interval.

        Games are resampled (a percentile bootstrap). If all games have equal payoffs, the interval
        instead allows as many games with the lowest or highest payoff as Wilson's bound for 0 of n.
        Without games the interval is the whole range.
        """
        if self.settled(row, column):
            return Interval(0.0, 0.0, 0.0)
        key = row, column, of
        if key not in self._intervals:
            self._intervals[key] = self._estimated(*key)
        return self._intervals[key]

    def matrices(
        self, rows: Sequence[str], columns: Sequence[str]
    ) -> tuple[FloatArray, FloatArray]:
        """Return the mean payoffs (n_rows, n_columns) of row and column players."""
        # A player may occur many times, see `League.record`.
        row_names, row_places = np.unique(np.array(rows, dtype=str), return_inverse=True)
        column_names, places = np.unique(np.array(columns, dtype=str), return_inverse=True)
        means = np.array([[self.mean(str(a), str(b)) for b in column_names] for a in row_names])
        spread = means.reshape(len(row_names), len(column_names), 2)[np.ix_(row_places, places)]
        return spread[..., 0], spread[..., 1]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield the pairs that have games, in the order of their names."""
        return iter(sorted(self._blocks))

    def _estimated(self, row: str, column: str, of: int) -> Interval:
        low, high = self.rules.bounds
        values = self.games(row, column)[:, of]
        if not len(values):
            return Interval(float("nan"), low, high)
        first = float(values[0])
        if (values != first).any():
            return bootstrap(values)
        unseen = unseen_share(len(values))
        return Interval(first, first - unseen * (first - low), first + unseen * (high - first))
