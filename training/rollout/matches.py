"""Lock-step matches of several agents: one batch of decisions a policy and turn."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anchorgym.agents.engines.contract import Engine, Generation, Sampling
from anchorgym.agents.policies.base import Policy, Prompt, Session, View
from anchorgym.envs import AnchoredParallelEnv
from anchorgym.envs.errors import ContractError
from anchorgym.training.rollout.drivers.lock_step import answer_in_step
from anchorgym.training.rollout.seats import as_action, as_text, as_view, instead
from anchorgym.training.rollout.timers import Timers
from anchorgym.training.rollout.types import Episode, Start, Turn

Seats = Mapping[str, Policy]
"""Who plays each agent."""


@dataclass(slots=True)
class Match:
    """What happened from one start, from the side of each agent."""

    start: Start
    sides: dict[str, Episode] = field(default_factory=dict)
    infos: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last info of each agent."""
    guests: frozenset[str] = frozenset()
    """Agents that were not played by the policies of now."""

    def score(self, agent: str) -> float:
        """Return the sum of an agent's rewards."""
        return self.sides[agent].score


class Arenas:
    """Multi-agent environments of one kind, kept between rollouts.

    Args:
        make: makes one.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._envs = [make()]

    @property
    def first(self) -> Any:
        """One of them, to ask about tasks and agents."""
        return self._envs[0]

    def take(self, n: int) -> list[Any]:
        """Return `n` environments."""
        while len(self._envs) < n:
            self._envs.append(self._make())
        return self._envs[:n]


def play_matches(
    seats: Sequence[Seats],
    arenas: Arenas,
    starts: Sequence[Start],
    *,
    temperature: float = 1.0,
    timers: Timers | None = None,
) -> list[Match]:
    """Play a match from each start, all at once; what is finished drops out.

    An agent that is not `active` is not asked. Rewards that reach it then are booked on its last
    turn. One whose context is full says nothing from there on.

    Args:
        seats: (n_matches,) who plays in each.
        arenas: where.
        starts: (n_matches,) of the matches.
        temperature: of all that is sampled; 0 is greedy.
        timers: for the CPU seconds.

    Returns:
        (n_matches,) in the order of the starts.

    Raises:
        ContractError: an environment gave something that is no reward.
    """
    timers = Timers() if timers is None else timers
    timers.start()
    tables = [
        _Table(env, seat, start)
        for env, seat, start in zip(arenas.take(len(starts)), seats, starts, strict=True)
    ]
    timers.lap("environment")
    try:
        while live := [table for table in tables if table.env.agents]:
            asked = [request for table in live for request in table.ask()]
            timers.lap("prompts")
            answers = _answers(asked, temperature)
            timers.lap("generation")
            for table in live:
                table.decide(answers)
            timers.lap("prompts")
            for table in live:
                table.step()
            timers.lap("environment")
    finally:
        for table in tables:
            table.close()
    return [table.match for table in tables]


@dataclass(slots=True)
class _Request:
    policy: Policy
    key: Hashable
    prompt: Prompt


def _answers(
    asked: Sequence[_Request], temperature: float
) -> dict[tuple[int, Hashable], Generation]:
    """Have every engine answer what is asked of it, engine by engine: {(engine, key): response}."""
    by_engine: dict[int, tuple[Engine, Policy, list[tuple[Hashable, Prompt]]]] = {}
    for request in asked:
        engine = request.policy.engine
        if engine is not None:
            of_engine = by_engine.setdefault(id(engine), (engine, request.policy, []))
            of_engine[2].append((request.key, request.prompt))
    answers: dict[tuple[int, Hashable], Generation] = {}
    for number, (engine, policy, prompts) in by_engine.items():
        sampling = Sampling(getattr(policy, "max_response", 8), temperature)
        for key, generation in answer_in_step(engine, prompts, sampling).items():
            answers[number, key] = generation
    return answers


class _Table:
    """One match: its environment and the sessions around it."""

    def __init__(self, env: Any, seats: Seats, start: Start) -> None:
        self.env, self.match = env, Match(start)
        self._seats = seats
        self._anchored = isinstance(env, AnchoredParallelEnv)
        options = {"task": start.task} if start.task else None
        self._observations, self._infos = env.reset(seed=start.seed, options=options)
        self._sessions: dict[str, Session] = {}
        self._asked: dict[str, tuple[View, Prompt]] = {}
        self._actions: dict[str, Any] = {}
        self._early: dict[str, float] = {}
        kind = getattr(env, "task_type", None)
        task_type = kind(start.task) if kind and start.task else ""
        for agent in env.agents:
            if agent not in seats:
                raise ContractError(f"nobody plays {agent}: give a policy for each of {env.agents}")
            self._sessions[agent] = seats[agent].open(env, agent)
            info = self._infos.get(agent, {})
            self.match.sides[agent] = Episode(start, task_type, goal=str(info.get("goal", "")))
            self.match.infos[agent] = info

    def ask(self) -> Iterator[_Request]:
        """Begin a turn of every agent that is active."""
        self._asked, self._actions = {}, {}
        for agent in self.env.agents:
            observation, info = self._observations[agent], self._infos.get(agent, {})
            side = self.match.sides[agent]
            if not info.get("active", True) or side.stop:
                continue
            text = as_text(observation)
            view = as_view(observation, info, self.env.action_space(agent))
            if side.turns and not side.turns[-1].valid:  # however long ago that was
                view = view._replace(action_valid=False, reason=side.turns[-1].reason)
            prompt = self._sessions[agent].prompt(text, view)
            if prompt is None:
                side.stop = "context"
                continue
            anchor = info.get("anchor")
            key = anchor if isinstance(anchor, bytes) else hashlib.blake2b(text.encode()).digest()
            side.turns.append(Turn(text, key, prompt.tokens, prompt.restart))
            self._asked[agent] = view, prompt
            yield _Request(self._seats[agent], self._sessions[agent].key, prompt)

    def decide(self, answers: Mapping[tuple[int, Hashable], Generation]) -> None:
        """Take the responses as actions."""
        for agent, (view, _) in self._asked.items():
            session, turn = self._sessions[agent], self.match.sides[agent].turns[-1]
            generation = answers.get((id(self._seats[agent].engine), session.key))
            if generation is not None:
                turn.response, turn.logprobs = generation.tokens, generation.logprobs
                turn.allowed, turn.version = generation.allowed, generation.version
            decision = session.decide(generation)
            turn.action, turn.text = decision.action, decision.text
            space = self.env.action_space(agent)
            action = as_action(decision.action, view, space)
            if action is None and not self._anchored:
                turn.valid, turn.reason = False, "no action of this world"
                action = instead(view, space)
            self._actions[agent] = action

    def step(self) -> None:
        """Take the joint turn."""
        actions = dict(self._actions)
        if not self._anchored:  # strangers expect an action of everybody who is asked
            for agent in self.env.agents:
                info = self._infos.get(agent, {})
                if agent not in actions and info.get("active", True):
                    space = self.env.action_space(agent)
                    view = as_view(self._observations[agent], info, space)
                    actions[agent] = instead(view, space)
        played = list(self.env.agents)
        self._observations, rewards, ended, cut, self._infos = self.env.step(actions)
        for agent in played:
            self._book(agent, float(rewards.get(agent, 0.0)))
            side, info = self.match.sides[agent], self._infos.get(agent, {})
            self.match.infos[agent] = info
            side.won = bool(info.get("won", False))
            if agent in self._observations:
                side.final_observation = as_text(self._observations[agent])
            if ended.get(agent) or cut.get(agent):
                side.stop = side.stop or ("terminated" if ended.get(agent) else "turns")
                self._sessions.pop(agent).close()

    def close(self) -> None:
        """Free what is left."""
        for session in self._sessions.values():
            session.close()
        self._sessions = {}

    def _book(self, agent: str, reward: float) -> None:
        if not math.isfinite(reward):
            raise ContractError(
                f"the environment gave {agent} the reward {reward} in task "
                f"{self.match.start.task!r}: verify it with `anchorgym check`"
            )
        turns, info = self.match.sides[agent].turns, self._infos.get(agent, {})
        if not turns:  # it has yet to act
            self._early[agent] = self._early.get(agent, 0.0) + reward
            return
        turns[-1].reward += reward + self._early.pop(agent, 0.0)
        if agent in self._asked and self._anchored:
            turns[-1].valid = bool(info.get("action_valid", True))
            turns[-1].reason = str(info.get("reason", ""))
