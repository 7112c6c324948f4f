"""The results of a generation of co-evolution."""

from __future__ import annotations

from dataclasses import dataclass

from anchorgym.training.league import Exploitation, League, payoff_table
from anchorgym.training.selfplay.schedules import Figures


@dataclass(frozen=True, slots=True)
class Generation:
    """The results of a generation.

    Attributes:
        number: number of the generation, from 1.
        figures: metrics of its last iteration, by role.
        league: all players so far, and their games.
        exploitation: gains of best responses over the newest players; None if not measured.
    """

    number: int
    figures: Figures
    league: League
    exploitation: Exploitation | None

    @property
    def payoff(self) -> str:
        """The payoffs of the first side as a table, with intervals; "" without games."""
        if not self.league.games_played():
            return ""
        return payoff_table(self.league, self.league.rules.sides[0])

    @property
    def exploitability(self) -> float | None:
        """A lower bound of the newest players' exploitability; None if not measured.

        It is the total gain of the responses that were trained: a better learner may gain more,
        and below 0 they lost to the players that they were to beat.
        """
        return None if self.exploitation is None else self.exploitation.nash_conv.mean


def summary(generation: Generation) -> str:
    """Return the scores of a generation as one line."""
    scores = [f"{role} {of['score']:.2f}" for role, of in generation.figures.items() if of]
    if generation.exploitability is not None:
        found = generation.exploitability
        scores.append(
            f"exploitability at least {max(0.0, found):.2f} (responses gain {found:+.2f})"
        )
    return ", ".join(scores)
