"""Who plays one seat of one episode: a session of a policy, or of a planner.

A side is asked for its requests until it has none, then for its decision.
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
"""Who plays each agent."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What an engine is asked for a turn of one agent."""

    agent: str
    engine: Engine
    key: Hashable
    """What the engine knows the session by."""
    prompt: Prompt
    max_response: int
    """Longest response of the policy, in tokens."""
    run: int = 0
    """Number of the run among those that are played together."""
    turn: int = 1
    """Number of the agent's turn in its episode, from 1."""
    adaptive: AdaptiveTemperature | None = None
    """Temperature of each token, where the agent's policy wants a rule of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What a planner is asked, in words, for a turn of a team."""

    agent: str
    planner: Planner
    query: Query


Ask: TypeAlias = Request | Question
Answer: TypeAlias = Generation | list[str]
"""What a `Request`, or a `Question`, is answered with."""


class Side(Protocol):
    """Who plays one seat of one episode."""

    def begin(self, text: str, view: View, anchor: bytes) -> Turn | None:
        """Begin a turn with what is seen; None when the context is full."""
        ...

    asked: Ask | None
    """What has to be answered before the side can go on; None when it can decide."""

    def answer(self, answer: Answer) -> None:
        """Take the answer to what was asked."""
        ...

    def decide(self, turn: Turn) -> Any:
        """Return the action, and note in the turn what was written."""
        ...

    def observe(self, turn: Turn, reward: float) -> None:
        """Learn what the action did."""
        ...

    def keep_in(self, store: ForkStore, episode: Episode) -> None:
        """Leave the session to forks of the episode."""
        ...

    def close(self) -> None:
        """Give back what the side holds."""
        ...


class SessionSide:
    """A session of a policy.

    Args:
        agent: that is played.
        policy: of the session.
        session: that was opened, or forked.
        run: number of the run among those that are played together.
        adaptive: temperature of each token, where the agent has a rule of its own.
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
        """Read what is seen; see `Side.begin`."""
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
        """Keep the tokens that were sampled: those are the ones to train on."""
        generation = self._generation
        if generation is not None:
            turn.response, turn.logprobs = generation.tokens, generation.logprobs
            turn.allowed, turn.version = generation.allowed, generation.version
            turn.temperatures = generation.temperatures
        decision = self._session.decide(generation)
        turn.action, turn.text = decision.action, decision.text
        return decision.action

    def observe(self, turn: Turn, reward: float) -> None:
        """Sessions see what an action did in the next observation."""

    def keep_in(self, store: ForkStore, episode: Episode) -> None:
        """Leave the session to the store."""
        store.keep(episode, self._session)

    def close(self) -> None:
        """Close the session."""
        self._session.close()


class PlanningSide:
    """A planner that decides for a team; it may ask several questions in a turn.

    Args:
        agent: the team's seat.
        policy: of the session.
        session: that was opened.
    """

    def __init__(self, agent: str, policy: PlanningPolicy, session: PlanningSession) -> None:
        self.asked: Ask | None = None
        self._agent, self._policy, self._session = agent, policy, session
        self._planning: Planning | None = None
        self._plan: Plan = ()

    def begin(self, text: str, view: View, anchor: bytes) -> Turn | None:
        """Open a round, up to its first question."""
        self._planning = self._session.plan()
        self._go_on(None)
        return Turn(text, anchor)

    def answer(self, answer: Answer) -> None:
        """Take the planner's answers, and go on to its next question or to the plan."""
        if isinstance(answer, Generation):
            raise ContractError(f"{self._agent} was to get a planner's answers, not tokens")
        self._go_on(answer)

    def decide(self, turn: Turn) -> Plan:
        """Return the plan of the round."""
        turn.action = turn.text = "\n".join(self._plan)
        return self._plan

    def observe(self, turn: Turn, reward: float) -> None:
        """Tell the planner what its plan did."""
        self._session.observe(reward, turn.reason)

    def keep_in(self, store: ForkStore, episode: Episode) -> None:
        """Refuse.

        Raises:
            ForkError: always.
        """
        raise ForkError("what a planner has said is not forked: play without a ForkStore")

    def close(self) -> None:
        """Nothing is held."""

    def _go_on(self, answers: list[str] | None) -> None:
        assert self._planning is not None
        try:
            query = next(self._planning) if answers is None else self._planning.send(answers)
        except StopIteration as stop:
            self.asked, self._plan = None, stop.value
        else:
            request = self._session.request(query)
            self.asked = Question(self._agent, self._policy.planner, request)
