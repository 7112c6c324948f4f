"""The contracts of planners and of scorers of plans."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from anchorgym.agents.planning.dialogue import Round
from anchorgym.envs.planning import Plan, PlanningEnv

Kind = Literal["joint", "agent", "talk", "reflect"]
"""Kind of a query: for a plan of all agents, one agent's action, one agent's contribution to a
discussion, or a reflection on a mistake."""
Style = Literal["plain", "central", "react", "reflexion", "mindagent", "roco", "read"]
"""Style of a language planner's prompt, named after the method that uses it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A plan that was proposed for the present round and refused."""

    plan: Plan
    """The refused plan; if one agent's action was refused, the actions up to that agent's."""
    reason: str
    """The feedback to the planner."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query to a planner; the answer is text."""

    kind: Kind
    style: Style = "plain"
    agent: str = ""
    """The agent that answers; empty for a plan of all agents."""
    before: Plan = ()
    """The actions that earlier agents have settled on."""
    refused: tuple[Refusal, ...] = ()
    past: tuple[Round, ...] = ()
    """Earlier rounds to show to the planner, oldest first."""
    said: tuple[tuple[str, str], ...] = ()
    """The discussion of this round: (agent, text)."""
    lessons: tuple[str, ...] = ()
    """The planner's earlier reflections."""
    samples: int = 1
    """Number of answers to sample."""


@dataclass(frozen=True, slots=True)
class Request:
    """A query together with its world and random generator."""

    world: PlanningEnv
    query: Query
    rng: random.Random
    """Random generator of the episode, for planners that need one."""


class Planner(Protocol):
    """Answers queries, many at once if it can."""

    def answer(self, requests: Sequence[Request]) -> list[list[str]]:
        """Return the answers to each request, as many as its query's `samples`."""
        ...


class Score(NamedTuple):
    """A scorer's estimate of a plan or an action."""

    advantage: float
    spread: float = 0.0
    """Standard deviation of the estimate."""


class Scorer(Protocol):
    """Estimates the advantage of plans over waiting, or of actions over leaving them open."""

    def joint(self, world: PlanningEnv, plans: Sequence[Plan]) -> list[Score]:
        """Return the joint advantage of each plan in the present state."""
        ...

    def local(self, world: PlanningEnv, before: Plan, actions: Sequence[str]) -> list[Score]:
        """Return the local advantage of each action of the agent that follows `before`."""
        ...


class CoinScorer:
    """A control for scorers, which refuses plans at random at a given rate.

    Args:
        refuses: probability that a plan is refused.
        seed: seed of the random draws.
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
