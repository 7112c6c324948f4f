"""Which roles are trained in an iteration, from what the iterations before have measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from anchorgym.training.config.sections import Section

Figures = Mapping[str, Mapping[str, float]]
"""What an iteration measured: by role, then by name."""


class ScheduleConfig(Section):
    """Who is trained when."""

    kind: Literal["simultaneous", "alternating", "gated", "league"] = "simultaneous"
    """All at once; in turn; in turn until each is good enough; or all at once, partly against the
    past."""
    every: int = Field(15, ge=1)
    """alternating: iterations until the next role's turn; gated: the most of them."""
    metric: str = "won"
    """gated: what has to be reached, as the iterations' figures call it."""
    gate: float = 0.8
    """gated: by how much of it a role hands over."""
    window: int = Field(3, ge=1)
    """gated: over the mean of so many iterations of its own."""
    past: float = Field(0.2, ge=0, le=1)
    """league: share of groups in which the others are players of the past."""
    sampling: Literal["latest", "uniform", "pfsp"] = "pfsp"
    """league: how past players are drawn."""


def roles_in_turn(
    schedule: ScheduleConfig, names: Sequence[str], history: Sequence[Figures]
) -> tuple[str, ...]:
    """Return the roles that the next iteration trains.

    Args:
        schedule: of the run.
        names: of the roles that can be trained, in their order.
        history: (n_iterations,) figures of those that are done.
    """
    if schedule.kind in ("simultaneous", "league") or len(names) < 2:
        return tuple(names)
    if schedule.kind == "alternating":
        return (names[len(history) // schedule.every % len(names)],)
    return (names[_gated(schedule, names, history)],)


def _gated(schedule: ScheduleConfig, names: Sequence[str], history: Sequence[Figures]) -> int:
    """Replay the hand-overs: one depends on what was measured since the one before."""
    turn, own = 0, list[float]()
    for figures in history:
        own.append(figures[names[turn]].get(schedule.metric, float("-inf")))
        last = own[-schedule.window :]
        reached = len(last) == schedule.window and sum(last) / len(last) >= schedule.gate
        if reached or len(own) >= schedule.every:
            turn, own = (turn + 1) % len(names), []
    return turn
