"""League games between players of the past and the present."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.scripted import RandomPolicy, ScriptPolicy
from anchorgym.training.imitation.scripts import panel_of
from anchorgym.training.rollout.drivers import Driver, SamplingRule
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.sides import Seats
from anchorgym.training.rollout.types import Match, Start
from anchorgym.training.selfplay.players import Players, role_of


class LeagueGames:
    """Plays games of pairs of players; see `league.Play`.

    Args:
        envs: pool of environments.
        players: players by name; a name begins with the role.
        agents: agents of each role.
        others: function that returns the policies of all other agents.
        temperature: sampling temperature.
        driver: driver of the games.
    """

    def __init__(
        self,
        envs: EnvPool[Any],
        players: Players,
        agents: Mapping[str, tuple[str, ...]],
        others: Callable[[], Seats],
        *,
        temperature: float,
        driver: Driver,
    ) -> None:
        self._envs, self._players, self._agents = envs, players, agents
        self._others, self._driver = others, driver
        self._sampling = SamplingRule(temperature)

    def play(self, row: str, column: str, n: int, seed: int) -> NDArray[np.float64]:
        """Return the scores of both players in n games, (n, 2); the seed determines all draws."""
        rng, panel, rest = random.Random(seed), panel_of(self._envs.first), self._others()
        one, other = self._players.get(row), self._players.get(column)
        for policy in (*rest.values(), one, other):
            reseed(policy, rng)
        sides = [self._sides(row, column, game) for game in range(n)]
        seats = [
            {**rest, **dict.fromkeys(first, one), **dict.fromkeys(second, other)}
            for first, second in sides
        ]
        starts = []
        for game in range(n):
            task = panel[rng.randrange(len(panel))] if panel else ""
            starts.append(Start(task, game, rng.getrandbits(31)))
        matches = play_matches(
            seats,
            self._envs,
            starts,
            sampling=replace(self._sampling, seed=rng.getrandbits(62)),
            driver=self._driver,
        )
        return np.array(
            [
                [_score(match, agents) for agents in both]
                for match, both in zip(matches, sides, strict=True)
            ]
        )

    def _sides(self, row: str, column: str, game: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the agents of both players; players of one role alternate seats."""
        first, second = self._agents[role_of(row)], self._agents[role_of(column)]
        if first != second:
            return first, second
        middle = len(first) // 2
        halves = first[:middle], first[middle:]
        return halves if game % 2 == 0 else (halves[1], halves[0])


def reseed(policy: Policy, rng: random.Random) -> None:
    """Reset the random generator of a policy that draws without an engine."""
    if isinstance(policy, RandomPolicy | ScriptPolicy):
        policy.reseed(rng.getrandbits(62))


def _score(match: Match, agents: tuple[str, ...]) -> float:
    """Return the mean score of the agents that took part."""
    scores = [match.score(agent) for agent in agents if agent in match.sides]
    return float(np.mean(scores)) if scores else 0.0
