"""Records of planning: queries, answers and verdicts of every round, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from anchorgym.envs.planning import Plan

Verdict = Literal["unreadable", "infeasible", "refused", "passed over", "accepted", "said"]
"""Outcome of an answer; "said" is talk without a proposal."""


@dataclass(slots=True)
class Answer:
    """One answer of a planner."""

    query: int
    """Number of the query in its round; all samples of a query share it."""
    kind: str
    agent: str
    text: str
    plan: Plan = ()
    verdict: Verdict = "said"
    reason: str = ""
    """Why the answer was not taken: the feedback to the planner."""
    advantage: float | None = None
    threshold: float | None = None


@dataclass(slots=True)
class Round:
    """All queries and answers before one joint step, and the outcome of the step."""

    situation: str
    queries: int = 0
    scored: int = 0
    """Number of plans or actions that a scorer was asked about."""
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
        """NQ: number of queries to the planner, those with unreadable answers included."""
        return sum(past.queries for past in self.rounds)

    @property
    def scored(self) -> int:
        """Number of plans or actions that were scored."""
        return sum(past.scored for past in self.rounds)

    def refusal_rate(self) -> tuple[int, int]:
        """Return (number of refused proposals, number of scored proposals)."""
        judged = [a for past in self.rounds for a in past.answers if a.advantage is not None]
        return sum(answer.verdict == "refused" for answer in judged), len(judged)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the rounds as JSON values."""
        return [asdict(past) for past in self.rounds]
