"""Planning state of an episode: asks the planner, reads its answers, and records everything."""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import NamedTuple

from anchorgym.agents.planning.asking import (
    Kind,
    Query,
    Refusal,
    Score,
    Scorer,
    Style,
)
from anchorgym.agents.planning.dialogue import Answer, Dialogue, Round
from anchorgym.envs.planning import Plan, PlanningEnv

Asking = Generator[Query, list[str], list[Answer]]
Planning = Generator[Query, list[str], Plan]
"""A generator that yields queries, is sent their answers, and returns the plan of the round."""


class Proposal(NamedTuple):
    """A feasible plan, and the answer that it was read from."""

    plan: Plan
    answer: Answer


class Room:
    """The planning state of one episode.

    Args:
        world: world whose `reset` has been called.
        rng: random generator of the episode.
    """

    def __init__(self, world: PlanningEnv, rng: random.Random) -> None:
        self.world = world
        self.agents = tuple(world.possible_agents)
        self.rng = rng
        self.dialogue = Dialogue()
        self.lessons: list[str] = []
        self.refused: list[Refusal] = []
        """Refusals in the present state; cleared when the state changes."""
        self._anchor = b""
        self._tried: dict[bytes, set[Plan]] = {}

    @property
    def now(self) -> Round:
        """The round that is being planned."""
        return self.dialogue.rounds[-1]

    def begin(self) -> None:
        """Start a round."""
        anchor = self.world.anchor()
        if anchor != self._anchor:
            self._anchor, self.refused = anchor, []
        self.dialogue.rounds.append(Round(self.world.situation()))

    def finish(self, reward: float, reason: str) -> None:
        """Record the outcome of the round's plan."""
        self.now.reward, self.now.reason = reward, reason
        self._tried.setdefault(self._anchor, set()).add(self.now.plan)
        if reason:
            self.refused.append(Refusal(self.now.plan, reason))

    def tried(self) -> frozenset[Plan]:
        """Return the plans that were tried in the present state."""
        return frozenset(self._tried.get(self._anchor, ()))

    def past(self, rounds: int | None) -> tuple[Round, ...]:
        """Return the last rounds before this one (None: all of them)."""
        earlier = self.dialogue.rounds[:-1]
        return tuple(earlier if rounds is None else earlier[len(earlier) - rounds :])

    def query(self, kind: Kind, style: Style, *, memory: int | None = 1) -> Query:
        """Return a query that shows the last `memory` rounds (None: all)."""
        remembered = self.past(memory if memory is None else min(memory, len(self.past(None))))
        return Query(kind, style, past=remembered, lessons=tuple(self.lessons))

    def ask(self, query: Query) -> Asking:
        """Put a query to the planner and record its answers."""
        texts = yield query
        self.now.queries += 1
        answers = [Answer(self.now.queries, query.kind, query.agent, text) for text in texts]
        self.now.answers += answers
        return answers

    def proposals(
        self, answers: Sequence[Answer], before: Plan = ()
    ) -> tuple[list[Proposal], list[Refusal]]:
        """Return the feasible plans in answers, and refusals of the other plans.

        With `before`, or from a query to one agent, an answer is the next agent's action alone.
        Duplicates are returned once.
        """
        fine: dict[Plan, Answer] = {}
        refused: list[Refusal] = []
        for answer in answers:
            names = (answer.agent,) if answer.kind == "agent" else self.agents
            plan, problem = self.world.read_plan(answer.text, names)
            if problem:
                answer.verdict, answer.reason = "unreadable", problem
                refused.append(Refusal((), problem))
                continue
            answer.plan = plan = (*before, *plan)
            problem = self.world.problem(plan)
            if problem:
                answer.verdict, answer.reason = "infeasible", problem
                refused.append(Refusal(plan, problem))
            elif plan in fine:
                answer.verdict = "passed over"
            else:
                fine[plan] = answer
        return [Proposal(plan, answer) for plan, answer in fine.items()], refused

    def best(self, fine: Sequence[Proposal], scorer: Scorer) -> tuple[Proposal, Score]:
        """Return the proposal with the highest joint advantage; record the scores of all."""
        scores = scorer.joint(self.world, [proposal.plan for proposal in fine])
        self.now.scored += len(fine)
        for proposal, score in zip(fine, scores, strict=True):
            proposal.answer.advantage, proposal.answer.verdict = score.advantage, "passed over"
        return max(zip(fine, scores, strict=True), key=lambda scored: scored[1].advantage)

    def fallback(self, refused: Sequence[Refusal]) -> Plan:
        """Return the plan to use when none was taken: the last feasible, or the last readable."""
        whole = [r.plan for r in reversed(refused) if len(r.plan) == len(self.agents)]
        feasible = (plan for plan in whole if not self.world.problem(plan))
        return next(feasible, whole[0] if whole else self.world.waiting)


def accepted(proposal: Proposal) -> Plan:
    """Mark a proposal as accepted and return its plan."""
    proposal.answer.verdict, proposal.answer.reason = "accepted", ""
    return proposal.plan


def vetoed(proposal: Proposal, threshold: float) -> Refusal:
    """Refuse a proposal for its advantage, and state the threshold of the next one."""
    answer = proposal.answer
    answer.verdict = "refused"
    answer.reason = scored_too_low(answer.advantage or 0.0, threshold)
    return Refusal(proposal.plan, answer.reason)


def scored_too_low(advantage: float, threshold: float) -> str:
    """Return the feedback on a plan that a scorer refused."""
    return (
        f"Its advantage is {advantage:.2f}. Improve on it: the advantage must exceed "
        f"{threshold:.2f}."
    )


def telling(query: Query, refused: Sequence[Refusal]) -> Query:
    """Return a query that lists the refusals."""
    return replace(query, refused=tuple(refused))
