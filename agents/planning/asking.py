"""What is asked of a planner, and of a scorer of plans."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from anchorgym.agents.planning.dialogue import Round
from anchorgym.envs.planning import Plan, PlanningEnv

Kind = Literal["joint", "agent", "talk", "reflect"]
"""One plan for all; one agent's action; one agent's turn to speak; a lesson from a mistake."""
Style = Literal["plain", "central", "react", "reflexion", "mindagent", "roco", "read"]
"""Whose prompt a language planner is given."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A plan that was proposed for the present round and not taken."""

    plan: Plan
    """Of the first agents, when one agent's action was refused; its own is the last."""
    reason: str
    """What the planner is told."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question to a planner; the answer is text."""

    kind: Kind
    style: Style = "plain"
    agent: str = ""
    """Who is to answer; empty for one plan of all agents."""
    before: Plan = ()
    """The actions that earlier agents have settled on."""
    refused: tuple[Refusal, ...] = ()
    past: tuple[Round, ...] = ()
    """Rounds that the planner is reminded of, oldest first."""
    said: tuple[tuple[str, str], ...] = ()
    """What was said in this round: (agent, text)."""
    lessons: tuple[str, ...] = ()
    """What the planner wrote in answer to earlier reflections."""
    samples: int = 1
    """So many answers are drawn for this one query."""


@dataclass(frozen=True, slots=True)
class Request:
    """A query with what it is about."""

    world: PlanningEnv
    query: Query
    rng: random.Random
    """The noise of this episode, for planners that draw from it."""


class Planner(Protocol):
    """Answers queries, many at once if it can."""

    def answer(self, requests: Sequence[Request]) -> list[list[str]]:
        """Return the answers to each request, as many as its query's `samples`."""
        ...


class Score(NamedTuple):
    """What a scorer thinks of a plan or an action."""

    advantage: float
    spread: float = 0.0
    """How far the scorer is from sure, as a standard deviation."""


class Scorer(Protocol):
    """Says how much better a plan is than doing nothing, or an action than leaving it open."""

    def joint(self, world: PlanningEnv, plans: Sequence[Plan]) -> list[Score]:
        """Return the joint advantage of each plan in the present state."""
        ...

    def local(self, world: PlanningEnv, before: Plan, actions: Sequence[str]) -> list[Score]:
        """Return the local advantage of each action of the agent that follows `before`."""
        ...


class CoinScorer:
    """The control of every scorer: refuses at random, as often as it is told.

    Args:
        refuses: the chance that a plan is refused.
        seed: of the coin.
    """

    def __init__(self, refuses: float, seed: int = 0) -> None:
        self.refuses = refuses
        self._rng = random.Random(seed)

    def joint(self, world: PlanningEnv, plans: Sequence[Plan]) -> list[Score]:
        """Flip a coin for each plan."""
        return [self._flip() for _ in plans]

    def local(self, world: PlanningEnv, before: Plan, actions: Sequence[str]) -> list[Score]:
        """Flip a coin for each action."""
        return [self._flip() for _ in actions]

    def _flip(self) -> Score:
        return Score(-1e9 if self._rng.random() < self.refuses else 1e9)
