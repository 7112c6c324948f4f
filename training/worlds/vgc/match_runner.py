"""League games of battle players, which play each start twice with exchanged seats."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from anchorgym.agents.engines import EngineFactory
from anchorgym.envs.vgc.arena import Contender, Fixture, play
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import Knowledge
from anchorgym.envs.vgc.records import BattleRecord
from anchorgym.training.worlds.vgc.config import BattleConfig
from anchorgym.training.worlds.vgc.contenders import battle_starts, contender, team_source

_NOT_ALIKE = 2**31


class MatchRunner:
    """Plays the games of a league.

    Args:
        config: settings of the battles.
        bridge: bridge to the simulator, which runs the battles.
        known: knowledge of the format.
        where: function that maps a player's name to the name for `contender`; by default the same.
        split: split of the teams.
        engine: factory of the engines of chat models.
    """

    def __init__(
        self,
        config: BattleConfig,
        bridge: Bridge,
        known: Knowledge,
        where: Callable[[str], str] = str,
        split: str = "train",
        engine: EngineFactory | None = None,
    ) -> None:
        self.config, self.bridge, self.known, self.split = config, bridge, known, split
        self.teams = team_source(config)
        self.records: deque[tuple[str, str, BattleRecord]] = deque(maxlen=0)
        """Latest battles with the players of p1 and p2; set a longer deque to keep some."""
        self._where, self._engine = where, engine
        self._players: dict[str, Contender] = {}

    def player(self, name: str) -> Contender:
        """Return the player of a name, always the same object."""
        if name not in self._players:
            self._players[name] = contender(
                self._where(name), self.known, self.bridge, self._engine
            )
        return self._players[name]

    def play(self, row: str, column: str, n: int, seed: int) -> NDArray[np.float64]:
        """Play n games and return the payoffs (n,) of the row player; see `league.Play`.

        The seed determines teams and randomness, independently of the players.
        """
        drawn = battle_starts(self.teams, self.config, seed, self.split)
        starts = list(islice(drawn, (n + 1) // 2))
        payoffs = np.zeros(n)
        for finished in play(self.bridge, self._fixtures(row, column, starts, seed)[:n]):
            payoffs[finished.game] = finished.payoff(finished.game % 2)
            names = (column, row) if finished.game % 2 else (row, column)
            self.records.append((*names, finished.record))
        return payoffs

    def _fixtures(
        self, row: str, column: str, starts: Sequence[BattleRecord], seed: int
    ) -> list[Fixture]:
        one, two = self.player(row), self.player(column)
        return [
            Fixture(start, players, (seed + number) % _NOT_ALIKE)
            for number, start in enumerate(starts)
            for players in ((one, two), (two, one))
        ]
