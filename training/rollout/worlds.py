"""Adapters of environments: single-agent, multi-agent, and teams with one planner.

`EpisodeRun` uses environments through `World` alone, so that nothing above it depends on their
number of agents or their library. `as_world` chooses the adapter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from anchorgym.agents.policies.base import View
from anchorgym.envs import AnchoredParallelEnv, Info, MultiAgentTextEnv, Plan, PlanningEnv, TextEnv
from anchorgym.envs.errors import ContractError
from anchorgym.envs.texts import require_text
from anchorgym.training.rollout.errors import ForkError
from anchorgym.training.rollout.seats import (
    as_action,
    as_info,
    as_text,
    as_view,
    instead,
    require_number,
)
from anchorgym.training.rollout.types import Start, StopReason

AGENT = "agent"
"""Name of the agent in a single-agent world."""
TEAM = "team"
"""Name of the seat from which one planner plays for all agents."""
_RUNNING = StopReason.RUNNING


Sight: TypeAlias = tuple[str, View, bytes]
"""An agent's input before its turn: (text, view, anchor).

The anchor is the key of the agent's information, by which turns are grouped."""


class Arrival(NamedTuple):
    """The outcome of a step for one agent."""

    reward: float
    stop: StopReason
    """Why the agent's episode ended; `StopReason.RUNNING` if it continues."""
    text: str | None
    """The agent's next observation; None if it gets none."""
    info: Mapping[str, Any]
    judged: bool
    """Whether `action_valid` and `reason` of the info concern the action that was just taken."""


class World(Protocol):
    """The interface between an environment and a run of one episode."""

    env: Any
    """The environment, in which policies open their sessions."""
    may_pass: bool
    """Whether the world continues when no agent acts any more."""
    reads: bool
    """Whether `read` has to convert decisions into actions of the world."""

    @property
    def agents(self) -> Sequence[str]:
        """Agents in play."""
        ...

    def reset(self, start: Start) -> Sequence[str]:
        """Begin the task of a start; return the agents that take part.

        An agent that is not in play afterwards has already finished.
        """
        ...

    def snapshot(self) -> bytes:
        """Return the present state."""
        ...

    def restore(self, data: bytes, seed: int) -> Sequence[str]:
        """Restore a state with new randomness; return the agents that take part."""
        ...

    def task_type(self, task: str) -> str:
        """Return the type of a task; empty if the world has none."""
        ...

    def info(self, agent: str) -> Mapping[str, Any]:
        """Return the present info of an agent."""
        ...

    def text(self, agent: str) -> str:
        """Return the present observation of an agent as text.

        Raises:
            ContractError: the agent has no observation.
        """
        ...

    def sight(self, agent: str) -> Sight | None:
        """Return an agent's input before its turn; None if its next action has no effect.

        Raises:
            ContractError: the agent has no observation.
        """
        ...

    def read(self, agent: str, action: Any, view: View) -> tuple[Any, str]:
        """Return the world's action for a decision, and the reason if it had to be replaced."""
        ...

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Take the joint turn; return the outcome for every agent that was in play."""
        ...


class SoloWorld:
    """A single-agent environment as a world with the seat `AGENT`."""

    may_pass = False
    reads = False

    def __init__(self, env: TextEnv) -> None:
        self.env = env
        self.observation = ""
        self._info: Info | None = None
        self.agents: tuple[str, ...] = ()

    def reset(self, start: Start) -> Sequence[str]:
        """Begin a task; if it is already won, no agent is in play."""
        options = {"task": start.task} if start.task else None
        return self._at(*self.env.reset(seed=start.seed, options=options))

    def snapshot(self) -> bytes:
        """Return the environment's snapshot."""
        return self.env.snapshot()

    def restore(self, data: bytes, seed: int | None) -> Sequence[str]:
        """Restore a snapshot; a seed of None continues the same randomness."""
        return self._at(*self.env.restore(data, seed=seed))

    def task_type(self, task: str) -> str:
        """Return the kind of a task."""
        return self.env.task_type(task) if task else ""

    def info(self, agent: str = AGENT) -> Info:
        """Return the present info."""
        assert self._info is not None
        return self._info

    def text(self, agent: str = AGENT) -> str:
        """Return the present observation."""
        return self.observation

    def sight(self, agent: str = AGENT) -> Sight:
        """Return the agent's present input."""
        info = self._info
        assert info is not None
        return self.observation, View.of(info), info["anchor"]

    def read(self, agent: str, action: Any, view: View) -> tuple[Any, str]:
        """Return the action unchanged: any text is an action."""
        return action, ""

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Take a turn."""
        observation, given, ended, cut, info = self.env.step(actions[AGENT])
        reward, stop = require_number(given, "reward", self.env), _RUNNING
        info = self._see(observation, info)
        if ended or cut:
            stop, self.agents = _stop(ended), ()
        return {AGENT: Arrival(reward, stop, self.observation, info, True)}

    def _see(self, observation: str, info: Info) -> Info:
        """Keep what the environment says, in texts that can be written."""
        self.observation = require_text(observation, "observation", self.env)
        self._info = as_info(info, self.env)
        return self._info

    def _at(self, observation: str, info: Info) -> Sequence[str]:
        info = self._see(observation, info)
        self.agents = () if info["won"] else (AGENT,)
        return (AGENT,)


@runtime_checkable
class _Typed(Protocol):
    def task_type(self, task: str) -> str: ...


class ParallelWorld:
    """A PettingZoo parallel environment, from this package or any other.

    Other packages' environments expect an action of every agent. An action that could not be
    parsed, or is missing because the context is full, is replaced there; environments of the
    contract receive no action instead, and define its cost.
    """

    may_pass = True
    reads = True

    def __init__(self, env: Any) -> None:
        self.env = env
        self._anchored = isinstance(env, AnchoredParallelEnv)
        self._observations: Mapping[str, Any] = {}
        self._infos: Mapping[str, Mapping[str, Any]] = {}

    @property
    def agents(self) -> Sequence[str]:
        """Agents in play."""
        return tuple(self.env.agents)

    def reset(self, start: Start) -> Sequence[str]:
        """Begin a task, or in a world without tasks an episode of the seed."""
        options = {"task": start.task} if start.task else None
        self._observations, self._infos = self.env.reset(seed=start.seed, options=options)
        return self.agents

    def snapshot(self) -> bytes:
        """Return the environment's snapshot; see `restore`."""
        return bytes(self._forkable().snapshot())

    def restore(self, data: bytes, seed: int) -> Sequence[str]:
        """Restore a snapshot.

        Raises:
            ForkError: the environment does not support it.
        """
        self._observations, self._infos = self._forkable().restore(data, seed=seed)
        return self.agents

    def task_type(self, task: str) -> str:
        """Return the kind of a task."""
        return self.env.task_type(task) if task and isinstance(self.env, _Typed) else ""

    def info(self, agent: str) -> Mapping[str, Any]:
        """Return the present info of an agent; empty if it has none."""
        return self._infos.get(agent, {})

    def text(self, agent: str) -> str:
        """Return the present observation of an agent as text.

        Raises:
            ContractError: the agent has no observation.
        """
        return as_text(self._observation(agent))

    def sight(self, agent: str) -> Sight | None:
        """Return an agent's input; without an anchor, the text is the key.

        Raises:
            ContractError: the agent has no observation.
        """
        info = self.info(agent)
        if not info.get("active", True):  # other packages' worlds always ask every agent
            return None
        observation = self._observation(agent)
        text, anchor = as_text(observation), info.get("anchor")
        key = anchor if isinstance(anchor, bytes) else hashlib.blake2b(text.encode()).digest()
        return text, as_view(observation, info, self.env.action_space(agent)), key

    def _observation(self, agent: str) -> Any:
        if agent not in self._observations:
            raise ContractError(
                f"{type(self.env).__name__} has {agent} in play and gives it no observation: "
                "verify it with `anchorgym check`"
            )
        return self._observations[agent]

    def read(self, agent: str, action: Any, view: View) -> tuple[Any, str]:
        """Parse a decision as an element of the action space."""
        space = self.env.action_space(agent)
        found = as_action(action, view, space)
        if found is None and not self._anchored:
            return instead(view, space), "no action of this world"
        return found, ""

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Take the joint turn."""
        actions, played = dict(actions), self.agents
        if not self._anchored:
            for agent in played:
                sight = None if agent in actions else self.sight(agent)
                if sight is not None:
                    actions[agent] = instead(sight[1], self.env.action_space(agent))
        self._observations, rewards, ended, cut, self._infos = self.env.step(actions)
        return {
            agent: Arrival(
                require_number(rewards.get(agent, 0.0), f"reward of {agent}", self.env),
                _stop(ended.get(agent)) if ended.get(agent) or cut.get(agent) else _RUNNING,
                as_text(self._observations[agent]) if agent in self._observations else None,
                self.info(agent),
                self._anchored,
            )
            for agent in played
        }

    def _forkable(self) -> AnchoredParallelEnv:
        if not isinstance(self.env, AnchoredParallelEnv):
            raise ForkError(
                f"{type(self.env).__name__} cannot be returned to a state, so its episodes cannot "
                "be forked: implement anchorgym.envs.AnchoredParallelEnv, or choose the strategy "
                "independent"
            )
        return self.env


class TeamWorld:
    """A multi-agent world as one with the single seat `TEAM`, whose action is a joint plan.

    The agents share the reward, so the team's reward is their mean.

    Raises:
        ContractError: the environment is not a `PlanningEnv`.
    """

    may_pass = False
    reads = False

    def __init__(self, env: MultiAgentTextEnv) -> None:
        if not isinstance(env, PlanningEnv):
            raise ContractError(
                f"{type(env).__name__} cannot be planned for: see anchorgym.envs.PlanningEnv"
            )
        self.env = env
        self.planned: PlanningEnv = env
        self._won = False
        self._info: dict[str, Any] = {}

    @property
    def agents(self) -> Sequence[str]:
        """The team's seat, until the task has ended."""
        return (TEAM,) if self.env.agents and not self._won else ()

    def reset(self, start: Start) -> Sequence[str]:
        """Begin a task; if all agents have already won, no seat is in play."""
        _, infos = self.env.reset(seed=start.seed, options={"task": start.task})
        self._won = all(info["won"] for info in infos.values())
        self._info = {"won": self._won}
        return (TEAM,)

    def snapshot(self) -> bytes:
        """Return the environment's snapshot."""
        return self.env.snapshot()

    def restore(self, data: bytes, seed: int) -> Sequence[str]:
        """Restore a snapshot."""
        _, infos = self.env.restore(data, seed=seed)
        self._won = all(info["won"] for info in infos.values())
        self._info = {"won": self._won}
        return (TEAM,)

    def task_type(self, task: str) -> str:
        """Return the kind of a task."""
        return self.env.task_type(task)

    def info(self, agent: str = TEAM) -> Mapping[str, Any]:
        """Return whether all agents have won, and why the last plan failed."""
        return self._info

    def text(self, agent: str = TEAM) -> str:
        """Return the joint observation."""
        return require_text(self.planned.situation(), "situation", self.env)

    def sight(self, agent: str = TEAM) -> Sight:
        """Return the team's present input."""
        return self.text(), View("", (), True, ""), self.planned.anchor()

    def read(self, agent: str, action: Any, view: View) -> tuple[Any, str]:
        """Return the action unchanged: the world's actions are plans."""
        return action, ""

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Carry out the plan of a round."""
        plan: Plan = actions[TEAM]
        reason = require_text(self.planned.problem(plan), "problem of a plan", self.env)
        names = self.env.possible_agents
        _, rewards, ended, _, infos = self.env.step(dict(zip(names, plan, strict=True)))
        won = all(info["won"] for info in infos.values())
        self._info = {"won": won, "action_valid": not reason, "reason": reason}
        stop = _RUNNING if self.env.agents else _stop(any(ended.values()))
        reward = sum(rewards.values()) / len(rewards)
        return {TEAM: Arrival(reward, stop, self.text(), self._info, judged=True)}


def as_world(env: Any) -> World:
    """Return the adapter of a single-agent or parallel environment."""
    return SoloWorld(env) if isinstance(env, TextEnv) else ParallelWorld(env)


def _stop(ended: object) -> StopReason:
    return StopReason.TERMINATED if ended else StopReason.TURNS
