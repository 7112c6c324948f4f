"""Best responses, by which a league grows and its exploitability is measured.

The gain of a trained best response is a lower bound: a better learner may gain more. In a matrix
game, exact best responses give exact values, see `equilibria.nash_conv`.
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

The mixture names the side of the opponents. The same mixture and seed give the same player, whose
name `play` has to know."""


@dataclass(frozen=True, slots=True)
class Exploitation:
    """The gains of best responses to mixtures."""

    mixtures: Mapping[str, Mixture]
    responses: Mapping[str, str]
    """Name of the trained player, by side."""
    gains: Mapping[str, Interval]
    """Gain of that player over the side's own mixture, by side."""

    @property
    def nash_conv(self) -> Interval:
        """A lower bound of NashConv: the total gain of the trained responses of both players.

        NashConv itself is 0 in an equilibrium, and never less; this is less than 0 where the
        responses lost to what they were to beat.
        A single population plays both sides, so its gain counts twice.
        """
        times = 2 if len(self.gains) == 1 else 1
        gains = list(self.gains.values())
        mean = times * sum(gain.mean for gain in gains)
        below = times * math.hypot(*(gain.mean - gain.low for gain in gains))
        above = times * math.hypot(*(gain.high - gain.mean for gain in gains))
        return Interval(mean, mean - below, mean + above)

    def to_json(self) -> dict[str, Any]:
        """Return the gains as JSON values."""
        return {
            "mixtures": {side: dict(mixture.weights) for side, mixture in self.mixtures.items()},
            "responses": dict(self.responses),
            "gains": {side: asdict(gain) for side, gain in self.gains.items()},
            "nash_conv": asdict(self.nash_conv),
            "nash_conv_is": "a lower bound, of the responses that were trained",
        }


def exploit(
    league: League,
    mixtures: Mapping[str, Mixture],
    respond: BestRespond,
    *,
    games: int,
    seed: int = 0,
) -> Exploitation:
    """Train a best response of each side and measure its gain; none joins the league.

    Args:
        league: league that plays the games and keeps them.
        mixtures: mixture of every side, such as `league.meta()`.
        respond: function that trains a best response, see `BestRespond`.
        games: least number of games of the response with each player of the mixture.
        seed: seed of the training, combined with the league's.
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

    With the solver "equilibrium" this is the double oracle, which PSRO generalizes; with "uniform"
    it is fictitious play, whose average converges; with "latest" it is self-play. The result of
    each round is added to `league.history`.

    Args:
        league: league with at least one player on each side.
        respond: function that trains a best response, see `BestRespond`.
        rounds: number of rounds, earlier ones included, so that repeating an interrupted call
            continues it.
        games: least number of games of each pair.
        solver: solver of the meta-strategies.
        tolerance: total gain of the responses at which the expansion stops early; it also stops if
            all responses are members already.
    """
    while len(league.history) < rounds and not _settled(league, solver, tolerance):
        league.ensure(games)
        number = len(league.history)
        found = exploit(league, league.meta(solver), respond, games=games, seed=number)
        name = solver if isinstance(solver, str) else getattr(solver, "__name__", repr(solver))
        joined = {side: [player] for side, player in found.responses.items()}
        new = [p for side, p in found.responses.items() if p not in league.players(side)]
        # The average of fictitious play counts a response each time that it was the best.
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
    """Whether the expansion has converged, so that further rounds add nothing."""
    if not league.history:
        return False
    last = league.history[-1]
    if solver == "equilibrium":
        return not last["new"] or last["nash_conv"]["mean"] <= tolerance
    return tolerance > 0 and bool(last["nash_conv"]["mean"] <= tolerance)
