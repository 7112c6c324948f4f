"""Best responses: growing a league by them, and measuring by them how much it can be exploited.

A trained best response is a lower bound: a better learner may gain more. In a matrix game an
exact one makes the figures exact, see `equilibria.nash_conv`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.league.league import League
from anchorgym.training.league.rules import LeagueError, Mixture
from anchorgym.training.league.solvers import MetaSolver

BestRespond = Callable[[Mixture, int], str]
"""Trains a player against a mixture of opponents, with a seed, and returns its name.

The mixture says which side the opponents are of. The same mixture and seed give the same player,
and `play` knows the name that is returned."""


@dataclass(frozen=True, slots=True)
class Exploitation:
    """What best responses gain over the mixtures that they were trained against."""

    mixtures: Mapping[str, Mixture]
    responses: Mapping[str, str]
    """By side, the player that was trained."""
    gains: Mapping[str, Interval]
    """By side, by how much that player does better than the side's own mixture."""

    @property
    def nash_conv(self) -> Interval:
        """The gains of both players together: 0 in an equilibrium.

        A single population stands for both players, so its gain counts twice.
        """
        times = 2 if len(self.gains) == 1 else 1
        gains = list(self.gains.values())
        mean = times * sum(gain.mean for gain in gains)
        below = times * math.hypot(*(gain.mean - gain.low for gain in gains))
        above = times * math.hypot(*(gain.high - gain.mean for gain in gains))
        return Interval(mean, mean - below, mean + above)

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON values."""
        return {
            "mixtures": {side: dict(mixture.weights) for side, mixture in self.mixtures.items()},
            "responses": dict(self.responses),
            "gains": {side: asdict(gain) for side, gain in self.gains.items()},
            "nash_conv": asdict(self.nash_conv),
        }


def exploit(
    league: League,
    mixtures: Mapping[str, Mixture],
    respond: BestRespond,
    *,
    games: int,
    seed: int = 0,
) -> Exploitation:
    """Train a best response of each side and measure what it gains; nobody joins the league.

    Args:
        league: that plays and keeps the games.
        mixtures: of every side, such as `league.meta()`.
        respond: trains, see `BestRespond`.
        games: of the response with each player of the mixture, at least.
        seed: of the training, with the league's own.
    """
    missing = set(league.rules.sides) - set(mixtures)
    if missing:
        raise LeagueError(f"there is no mixture of {', '.join(sorted(missing))}")
    responses, gains = {}, {}
    for side in league.rules.sides:
        against = mixtures[league.rules.other(side)]
        response = respond(against, league.rules.draw("respond", side, seed))
        row = league.rules.index(side) == 0
        names = sorted(against.weights)
        league.ensure(games, [(response, name) if row else (name, response) for name in names])
        reached = league.value(response, against, side)
        before = league.value(mixtures[side], against, side)
        mean = reached.mean - before.mean
        below = math.hypot(reached.mean - reached.low, before.high - before.mean)
        above = math.hypot(reached.high - reached.mean, before.mean - before.low)
        responses[side], gains[side] = response, Interval(mean, mean - below, mean + above)
    return Exploitation(dict(mixtures), responses, gains)


def expand(
    league: League,
    respond: BestRespond,
    *,
    rounds: int,
    games: int,
    solver: str | MetaSolver = "equilibrium",
    tolerance: float = 0.0,
) -> None:
    """Let the league grow by best responses to its meta-strategies.

    With the solver "equilibrium" this is the double oracle, which PSRO generalises; with
    "uniform" it is fictitious play, whose average is what converges; with "latest", self-play.
    What each round found is added to `league.history`.

    Args:
        league: with at least one player on each side.
        respond: trains, see `BestRespond`.
        rounds: in all, including those that the league has had: a call that was interrupted is
            repeated as it was, and goes on.
        games: of each pair, at least.
        solver: of the meta-strategies.
        tolerance: it ends early when the responses together gain no more than this, or are
            members already.
    """
    while len(league.history) < rounds and not _settled(league, solver, tolerance):
        league.ensure(games)
        number = len(league.history)
        found = exploit(league, league.meta(solver), respond, games=games, seed=number)
        name = solver if isinstance(solver, str) else getattr(solver, "__name__", repr(solver))
        joined = {side: [player] for side, player in found.responses.items()}
        new = [p for side, p in found.responses.items() if p not in league.players(side)]
        # The average of fictitious play counts a response as often as it was the best.
        again = solver != "equilibrium"
        league.record(joined, {**found.to_json(), "solver": name, "new": new}, again=again)
    league.ensure(games)


def average(league: League) -> dict[str, Mixture]:
    """Return the uniform mixture of each side: the average strategy of fictitious play."""
    mixtures = {}
    for side in league.rules.sides:
        players = league.players(side)
        mixtures[side] = Mixture.of(side, players, np.full(len(players), 1 / len(players)))
    return mixtures


def _settled(league: League, solver: str | MetaSolver, tolerance: float) -> bool:
    """Whether the last round changed nothing that the next would see."""
    if not league.history:
        return False
    last = league.history[-1]
    if solver == "equilibrium":
        return not last["new"] or last["nash_conv"]["mean"] <= tolerance
    return tolerance > 0 and bool(last["nash_conv"]["mean"] <= tolerance)
