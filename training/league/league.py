"""A league: populations of past and present players, and the games between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.league.rules import (
    FloatArray,
    LeagueError,
    Mixture,
    Play,
    Rules,
    payoffs_of,
)
from anchorgym.training.league.sampling import Sampling
from anchorgym.training.league.solvers import MetaSolver, find_meta_solver
from anchorgym.training.league.storing import Store
from anchorgym.training.league.table import Block, PayoffTable

_LEAST_WEIGHT = 0.02
"""Least weight of a pair when games are allotted, if the meta-strategies do not play it."""


class League:
    """A league: players by name, on one side or two, with all of their games.

    Players are opaque: only `play` knows what a name stands for. The seed of a game is derived from
    the league's seed, the pair and the number of earlier blocks of the pair, so neither the order
    in which players join nor an interruption changes any result.

    Args:
        play: function that plays games of a pair, see `Play`.
        rules: rules of the league; by default those of the league in `folder`, if there is one.
        folder: folder of the league, which continues a league that it holds; None saves nothing.

    Raises:
        LeagueError: the league in `folder` has other rules, or cannot be read.
    """

    def __init__(
        self, play: Play, rules: Rules | None = None, *, folder: Path | str | None = None
    ) -> None:
        self._play = play
        self._store = None if folder is None else Store(Path(folder))
        kept = self._store.read() if self._store and self._store.exists else None
        if kept and rules not in (None, kept.rules):
            raise LeagueError(f"{folder} holds a league with other rules: {kept.rules}")
        self.rules = kept.rules if kept else rules or Rules()
        self.history = kept.history if kept else []
        """Results of the rounds of `expand` as JSON values, oldest first."""
        self._players = kept.players if kept else {side: [] for side in self.rules.sides}
        self.table = PayoffTable(self.rules)
        if kept and self._store:
            for block in self._store.blocks():
                self.table.add(block)

    # Players --------------------------------------------------------------------------------

    def players(self, side: str | None = None) -> tuple[str, ...]:
        """Return the players of a side, oldest first; one may occur twice, see `record`.

        Args:
            side: name of the side; it may be omitted if it is the only.

        Raises:
            LeagueError: there is no such side.
        """
        return tuple(self._players[self._side(side)])

    def add(self, *names: str, side: str | None = None) -> None:
        """Add players that are not members yet.

        Raises:
            LeagueError: there is no such side, or a name is empty.
        """
        self.record({self._side(side): names})

    def record(
        self, joining: Mapping[str, Iterable[str]], found: object = None, *, again: bool = False
    ) -> None:
        """Add players of several sides and the result of a round, atomically.

        Args:
            joining: players by side.
            found: JSON values to add to `history`; None adds nothing.
            again: whether a member that joins again is added a second time, which counts in
                averages over all players ever trained.
        """
        players = {side: list(names) for side, names in self._players.items()}
        for side, names in joining.items():
            of_side = players[self._side(side)]
            for name in names:
                if not (isinstance(name, str) and name and name.isprintable()):
                    raise LeagueError(f"a player is named by a printable string, not {name!r}")
                if again or name not in of_side:
                    of_side.append(name)
        history = self.history if found is None else [*self.history, found]
        if self._store:
            self._store.write(self.rules, players, history)
        self._players, self.history = players, history

    # Games ----------------------------------------------------------------------------------

    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of players that play games, in the order of their names."""
        rows, columns = map(dict.fromkeys, self._rows_and_columns())
        kept = {self.table.pair(row, column) for row in rows for column in columns}
        return sorted(pair for pair in kept if not self.table.settled(*pair))

    def ensure(self, games: int, pairs: Iterable[tuple[str, str]] | None = None) -> None:
        """Play until each pair, by default all pairs, has at least `games` games."""
        for pair in self.pairs() if pairs is None else pairs:
            while self.table.blocks(*pair) * self.rules.block < games:
                if self.table.settled(*pair):
                    break
                self._play_block(*pair)

    def refine(self, total: int, solver: str | MetaSolver = "equilibrium") -> None:
        """Play the most informative games, until the league has played `total` games.

        Every block goes to the pair with the widest interval, weighted by the relevance of the pair
        to the meta-strategies: the probability that one of its players is drawn.

        Args:
            total: number of games, earlier ones included, so that an interrupted call can be
                repeated.
            solver: solver of the meta-strategies; "uniform" uses the intervals alone.
        """
        if not self.pairs():
            return
        self.ensure(1)
        while self.games_played() < total:
            weights = self._weights(self.meta(solver))
            self._play_block(
                *min(self.pairs(), key=lambda pair: (-self._width(pair) * weights[pair], pair))
            )

    def games_played(self) -> int:
        """Return the number of all games, those of non-members included."""
        return sum(self.table.blocks(*pair) for pair in self.table) * self.rules.block

    # Results --------------------------------------------------------------------------------

    def matrices(self) -> tuple[FloatArray, FloatArray]:
        """Return the mean payoffs (n_rows, n_columns) of row and of column players.

        Players are in the order in which they joined; a pair without games has NaN.
        """
        return self.table.matrices(*self._rows_and_columns())

    def meta(self, solver: str | MetaSolver = "equilibrium") -> dict[str, Mixture]:
        """Return the meta-strategy of each side.

        Raises:
            LeagueError: a side has no players, or a pair has no games, see `ensure`.
        """
        rows, columns = self._rows_and_columns()
        if not (rows and columns):
            raise LeagueError("a side has no players: add one to each")
        payoffs = self.matrices()
        if np.isnan(payoffs[0]).any():
            raise LeagueError("there are pairs without games: call ensure(games) first")
        row, column = find_meta_solver(solver)(*payoffs)
        if self.rules.one_population:
            return {self.rules.sides[0]: Mixture.of(self.rules.sides[0], rows, row)}
        first, second = self.rules.sides
        return {first: Mixture.of(first, rows, row), second: Mixture.of(second, columns, column)}

    def opponents(
        self, sampling: Sampling, side: str | None = None, player: str | None = None
    ) -> Mixture:
        """Return the mixture of opponents to train a player against.

        Args:
            sampling: weighting of opponents.
            side: side of the player.
            player: player in training; by default the newest of the side. A pair without games
                counts as even.
        """
        side = self._side(side)
        if player is None:
            player = self.players(side)[-1] if self.players(side) else ""
        other = self.rules.other(side)
        wins = [self.wins(player, opponent, side) for opponent in self.players(other)]
        return Mixture.of(other, self.players(other), sampling.chances(wins))

    def wins(self, player: str, opponent: str, side: str | None = None) -> float:
        """Return a player's mean payoff as a share of the range; 1/2 for a pair without games."""
        low, high = self.rules.bounds
        mean = self.payoff(player, opponent, side).mean
        return 0.5 if math.isnan(mean) else (mean - low) / (high - low)

    def payoff(self, player: str, opponent: str, side: str | None = None) -> Interval:
        """Return a player's mean payoff against an opponent, with its 95 % interval.

        Args:
            player: player of `side`.
            opponent: player of the other side.
            side: side of the player; it may be omitted if it is the only.
        """
        if self.rules.index(self._side(side)) == 0:
            return self.table.interval(player, opponent)
        return self.table.interval(opponent, player, of=1)

    def value(self, player: Mixture | str, against: Mixture, side: str | None = None) -> Interval:
        """Return the mean payoff of a player or a mixture against a mixture.

        Args:
            player: mixture of `side`, or the name of a player, who may be no member.
            against: mixture of the other side.
            side: side of the player; it may be omitted if it is the only.

        Returns:
            The mean, with the intervals of the pairs added in quadrature, as games are independent.
        """
        side = self._side(side)
        if player == against and self.rules.zero_sum:
            return Interval(0.0, 0.0, 0.0)
        own = player.weights if isinstance(player, Mixture) else {player: 1.0}
        mean = below = above = 0.0
        for name, p in own.items():
            for opponent, q in against.weights.items():
                estimate = self.payoff(name, opponent, side)
                mean += p * q * estimate.mean
                below += (p * q * (estimate.mean - estimate.low)) ** 2
                above += (p * q * (estimate.high - estimate.mean)) ** 2
        return Interval(mean, mean - math.sqrt(below), mean + math.sqrt(above))

    # Details --------------------------------------------------------------------------------

    def _side(self, side: str | None) -> str:
        if side is None and self.rules.one_population:
            return self.rules.sides[0]
        if side is None:
            raise LeagueError(f"say which side: {' or '.join(self.rules.sides)}")
        return self.rules.sides[self.rules.index(side)]

    def _rows_and_columns(self) -> tuple[list[str], list[str]]:
        sides = self.rules.sides
        return self._players[sides[0]], self._players[sides[-1]]

    def _play_block(self, row: str, column: str) -> None:
        row, column = self.table.pair(row, column)
        index = self.table.blocks(row, column)
        seed = self.rules.draw("games", row, column, index)
        result = self._play(row, column, self.rules.block, seed)
        payoffs = payoffs_of(result, self.rules.block, self.rules, (row, column))
        block = Block(row, column, index, payoffs)
        self.table.add(block)
        if self._store:
            self._store.append(block)

    def _width(self, pair: tuple[str, str]) -> float:
        estimates = [self.table.interval(*pair, of=of) for of in (0, 1)]
        return max(estimate.high - estimate.low for estimate in estimates)

    def _weights(self, mixtures: Mapping[str, Mixture]) -> dict[tuple[str, str], float]:
        """Return the relevance of each pair to the meta-strategies."""
        sides = self.rules.sides
        row, column = mixtures[sides[0]].weights, mixtures[sides[-1]].weights
        weights = {}
        for pair in self.pairs():
            p, q = row.get(pair[0], 0.0), column.get(pair[1], 0.0)
            weights[pair] = max(p + q - p * q, _LEAST_WEIGHT)
        return weights
