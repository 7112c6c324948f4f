"""The record of how plans came about, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from anchorgym.envs.planning import Plan

Verdict = Literal["unreadable", "infeasible", "refused", "passed over", "accepted", "said"]
"""What became of an answer; "said" is talk that proposes nothing."""


@dataclass(slots=True)
class Answer:
    """One answer of a planner."""

    query: int
    """The number of the query in its round; several samples share one."""
    kind: str
    agent: str
    text: str
    plan: Plan = ()
    verdict: Verdict = "said"
    reason: str = ""
    """Why it was not taken, as the planner is told."""
    advantage: float | None = None
    threshold: float | None = None


@dataclass(slots=True)
class Round:
    """All that was asked and answered before one joint step, and what the step did."""

    situation: str
    queries: int = 0
    scored: int = 0
    """How many plans or actions a scorer was asked about."""
    answers: list[Answer] = field(default_factory=list)
    plan: Plan = ()
    reason: str = ""
    """Why the world did not carry the plan out."""
    reward: float = 0.0


@dataclass(slots=True)
class Dialogue:
    """The rounds of one episode."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def queries(self) -> int:
        """NQ: every query to the planner, those with unreadable answers included."""
        return sum(past.queries for past in self.rounds)

    @property
    def scored(self) -> int:
        """How many plans or actions were scored."""
        return sum(past.scored for past in self.rounds)

    def refusal_rate(self) -> tuple[int, int]:
        """Return (proposals that a scorer refused, proposals that it judged)."""
        judged = [a for past in self.rounds for a in past.answers if a.advantage is not None]
        return sum(answer.verdict == "refused" for answer in judged), len(judged)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the rounds as JSON values."""
        return [asdict(past) for past in self.rounds]
