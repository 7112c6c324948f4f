"""Schedules, which select the roles to train in each iteration from earlier metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from anchorgym.training.config.section import Section

Figures = Mapping[str, Mapping[str, float]]
"""Metrics of an iteration, by role and then by name."""


class ScheduleConfig(Section):
    """Schedule by which roles are trained."""

    kind: Literal["simultaneous", "alternating", "gated", "league"] = "simultaneous"
    """Order of training: all roles at once (`simultaneous`), one after the other (`alternating`),
    one until it is good enough (`gated`), or all at once and partly against players of the past
    (`league`)."""
    every: int = Field(15, ge=1)
    """Number of iterations until the next role's turn when alternating, and the most of them when
    gated."""
    metric: str = "won"
    """Figure of the iterations that a role has to reach when gated, by its name in
    `metrics.jsonl`."""
    gate: float = 0.8
    """Value of that figure at which a role hands over to the next one."""
    window: int = Field(3, ge=1)
    """Number of its own latest iterations over which a role's figure is averaged."""
    past: float = Field(0.2, ge=0, le=1)
    """Share of groups that are played against players of the past, with schedule `league`."""
    sampling: Literal["latest", "uniform", "pfsp"] = "pfsp"
    """Way in which players of the past are drawn: the `latest` one, all alike (`uniform`), or those
    that win more often (`pfsp`)."""


def roles_in_turn(
    schedule: ScheduleConfig, names: Sequence[str], history: Sequence[Figures]
) -> tuple[str, ...]:
    """Return the roles that the next iteration trains.

    Args:
        schedule: schedule of the run.
        names: names of the trainable roles, in order.
        history: (n_iterations,) metrics of all finished iterations.
    """
    if schedule.kind in ("simultaneous", "league") or len(names) < 2:
        return tuple(names)
    if schedule.kind == "alternating":
        return (names[len(history) // schedule.every % len(names)],)
    return (names[_gated(schedule, names, history)],)


def _gated(schedule: ScheduleConfig, names: Sequence[str], history: Sequence[Figures]) -> int:
    """Return the index of the present role, by replaying all hand-overs from the metrics."""
    turn, own = 0, list[float]()
    for figures in history:
        own.append(figures[names[turn]].get(schedule.metric, float("-inf")))
        last = own[-schedule.window :]
        reached = len(last) == schedule.window and sum(last) / len(last) >= schedule.gate
        if reached or len(own) >= schedule.every:
            turn, own = (turn + 1) % len(names), []
    return turn
