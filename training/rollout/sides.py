"""Sides of an episode: a policy's or a planner's session in one seat.

A run answers the requests of a side until it has none, then takes its decision.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from anchorgym.agents.engines.contract import Engine, Generation
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.planning import Planner, PlanningPolicy, PlanningSession
from anchorgym.agents.planning.asking import Request as Query
from anchorgym.agents.planning.room import Planning
from anchorgym.agents.policies.base import Policy, Prompt, Session, View
from anchorgym.envs import Plan
from anchorgym.envs.errors import ContractError
from anchorgym.training.rollout.errors import ForkError
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.types import Episode, Turn

Player: TypeAlias = Policy | PlanningPolicy
"""A policy, or a planner that plays for a whole team."""
Seats: TypeAlias = Mapping[str, Policy]
"""The policy of each agent."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A request to an engine for one turn of one agent."""

    agent: str
    engine: Engine
    key: Hashable
    """The engine's key of the session."""
    prompt: Prompt
    max_response: int
    """Longest response of the policy, in tokens."""
    run: int = 0
    """Number of the run in its rollout."""
    turn: int = 1
    """Number of the agent's turn in its episode, from 1."""
    adaptive: AdaptiveTemperature | None = None
    """Rule of each token's temperature, if the agent has one of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A query to a planner for one turn of a team."""

    agent: str
    planner: Planner
    query: Query


Ask: TypeAlias = Request | Question
Answer: TypeAlias = Generation | list[str]
"""The answer to a `Request`, or to a `Question`."""


class Side(Protocol):
    """One seat of one episode, played by a policy or a planner."""

    def begin(self, text: str, view: View, anchor: bytes) -> Turn | None:
        """Begin a turn with an observation; return None when the context is full."""
        ...

    asked: Ask | None
    """The open request; None when the side can decide."""

    def answer(self, answer: Answer) -> None:
        """Take the answer to the open request."""
        ...

    def decide(self, turn: Turn) -> Any:
        """Return the action, and record the response in the turn."""
        ...

    def observe(self, turn: Turn, reward: float) -> None:
        """Take the outcome of the action."""
        ...

    def keep_in(self, store: ForkStore, episode: Episode) -> None:
        """Hand the session to a store, for forks of the episode."""
        ...

    def close(self) -> None:
        """Close the session."""
        ...


class SessionSide:
    """A side that a policy plays.

    Args:
        agent: name of the agent.
        policy: policy of the session.
        session: session that was opened or forked.
        run: number of the run in its rollout.
        adaptive: rule of each token's temperature, if the agent has one of its own.
    """

    def __init__(
        self,
        agent: str,
        policy: Policy,
        session: Session,
        run: int = 0,
        adaptive: AdaptiveTemperature | None = None,
    ) -> None:
        self.asked: Ask | None = None
        self._run, self._turns = run, 0
        self._agent, self._policy, self._session = agent, policy, session
        self._engine, self._adaptive = policy.engine, adaptive
        self._generation: Generation | None = None

    def begin(self, text: str, view: View, anchor: bytes) -> Turn | None:
        """Begin a turn; see `Side.begin`."""
        prompt = self._session.prompt(text, view)
        self.asked = self._generation = None
        self._turns += 1
        if prompt is None:
            return None
        if self._engine is not None and (prompt.tokens or prompt.given):
            self.asked = Request(
                self._agent,
                self._engine,
                self._session.key,
                prompt,
                self._policy.max_response,
                self._run,
                self._turns,
                self._adaptive,
            )
        return Turn(text, anchor, prompt.tokens, prompt.restart)

    def answer(self, answer: Answer) -> None:
        """Take the engine's response."""
        if not isinstance(answer, Generation):
            raise ContractError(f"{self._agent} was to get an engine's response, not {answer!r}")
        self.asked, self._generation = None, answer

    def decide(self, turn: Turn) -> str:
        """Return the action, and record the sampled tokens, which are the ones to train on."""
        generation = self._generation
        if generation is not None:
            turn.response, turn.logprobs = generation.tokens, generation.logprobs
            turn.allowed, turn.version = generation.allowed, generation.version
            turn.temperatures = generation.temperatures
        decision = self._session.decide(generation)
        turn.action, turn.text = decision.action, decision.text
        return decision.action

    def observe(self, turn: Turn, reward: float) -> None:
        """Do nothing: sessions see the outcome in the next observation."""

    def keep_in(self, store: ForkStore, episode: Episode) -> None:
        """Hand the session to the store."""
        store.keep(episode, self._session)

    def close(self) -> None:
        """Close the session."""
        self._session.close()


class PlanningSide:
    """A side that a planner plays for a team; it may ask several queries in a turn.

    Args:
        agent: seat of the team.
        policy: policy of the session.
        session: session that was opened.
    """

    def __init__(self, agent: str, policy: PlanningPolicy, session: PlanningSession) -> None:
        self.asked: Ask | None = None
        self._agent, self._policy, self._session = agent, policy, session
        self._planning: Planning | None = None
        self._plan: Plan = ()

    def begin(self, text: str, view: View, anchor: bytes) -> Turn | None:
        """Begin a round, up to its first query."""
        self._planning = self._session.plan()
        self._go_on(None)
        return Turn(text, anchor)

    def answer(self, answer: Answer) -> None:
        """Take the planner's answers, and continue to its next query or to the plan."""
        if isinstance(answer, Generation):
            raise ContractError(f"{self._agent} was to get a planner's answers, not tokens")
        self._go_on(answer)

    def decide(self, turn: Turn) -> Plan:
        """Return the plan of the round."""
        turn.action = turn.text = "\n".join(self._plan)
        return self._plan

    def observe(self, turn: Turn, reward: float) -> None:
        """Give the outcome of the plan to the planner."""
        self._session.observe(reward, turn.reason)

    def keep_in(self, store: ForkStore, episode: Episode) -> None:
        """Refuse to be forked.

        Raises:
            ForkError: always.
        """
        raise ForkError("what a planner has said is not forked: play without a ForkStore")

    def close(self) -> None:
        """Do nothing: a planning session holds no resources."""

    def _go_on(self, answers: list[str] | None) -> None:
        assert self._planning is not None
        try:
            query = next(self._planning) if answers is None else self._planning.send(answers)
        except StopIteration as stop:
            self.asked, self._plan = None, stop.value
        else:
            request = self._session.request(query)
            self.asked = Question(self._agent, self._policy.planner, request)
