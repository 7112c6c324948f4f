"""One face for every kind of world: of one agent, of several, and of a team with one planner.

`EpisodeRun` meets worlds through `World` alone, so that nothing above it asks how many agents an
environment has or whose library it comes from. `as_world` chooses the face.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from anchorgym.agents.policies.base import View
from anchorgym.envs import AnchoredParallelEnv, Info, MultiAgentTextEnv, Plan, PlanningEnv, TextEnv
from anchorgym.envs.errors import ContractError
from anchorgym.training.rollout.errors import ForkError
from anchorgym.training.rollout.seats import as_action, as_text, as_view, instead
from anchorgym.training.rollout.types import Start, StopReason

AGENT = "agent"
"""The only agent of a world of one."""
TEAM = "team"
"""The only seat of a world that one planner plays for all agents."""
_RUNNING = StopReason.RUNNING


Sight: TypeAlias = tuple[str, View, bytes]
"""What an agent sees before its turn, as policies take it: (text, view, anchor).

The anchor is the key of what it knows, by which turns are compared."""


class Arrival(NamedTuple):
    """What a step did to one agent."""

    reward: float
    stop: StopReason
    """Why its episode ended; `StopReason.RUNNING` where it goes on."""
    text: str | None
    """What it sees now; None where the world shows it nothing."""
    info: Mapping[str, Any]
    judged: bool
    """Whether `action_valid` and `reason` of its info speak of the action that it took."""


class World(Protocol):
    """A world as a run of one episode meets it."""

    env: Any
    """The environment, in which policies open their sessions."""
    may_pass: bool
    """Whether its turns go on when nobody says anything any more."""
    reads: bool
    """Whether decisions have to be made actions of its own by `read`."""

    @property
    def agents(self) -> Sequence[str]:
        """Agents in play."""
        ...

    def reset(self, start: Start) -> Sequence[str]:
        """Begin the task of a start; return the agents that take part.

        One that is not in play afterwards has nothing left to do.
        """
        ...

    def snapshot(self) -> bytes:
        """Return the present state."""
        ...

    def restore(self, data: bytes, seed: int) -> Sequence[str]:
        """Return to a state with randomness drawn anew; return the agents that take part."""
        ...

    def task_type(self, task: str) -> str:
        """Return the kind of a task; empty where there are none."""
        ...

    def info(self, agent: str) -> Mapping[str, Any]:
        """Return the present info of an agent."""
        ...

    def text(self, agent: str) -> str:
        """Return the present observation of an agent as text.

        Raises:
            ContractError: the world shows it nothing.
        """
        ...

    def sight(self, agent: str) -> Sight | None:
        """Return what an agent sees before its turn; None where its next action cannot matter.

        Raises:
            ContractError: the world shows it nothing.
        """
        ...

    def read(self, agent: str, action: Any, view: View) -> tuple[Any, str]:
        """Return an action of the world for what was decided, and why it is another one."""
        ...

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Take the joint turn; return what became of every agent that was in play."""
        ...


class SoloWorld:
    """A world of one agent as one of a single seat, `AGENT`."""

    may_pass = False
    reads = False

    def __init__(self, env: TextEnv) -> None:
        self.env = env
        self.observation = ""
        self._info: Info | None = None
        self.agents: tuple[str, ...] = ()

    def reset(self, start: Start) -> Sequence[str]:
        """Begin a task; where it is won at once, nobody is in play."""
        options = {"task": start.task} if start.task else None
        return self._at(*self.env.reset(seed=start.seed, options=options))

    def snapshot(self) -> bytes:
        """Return the environment's snapshot."""
        return self.env.snapshot()

    def restore(self, data: bytes, seed: int | None) -> Sequence[str]:
        """Return to a snapshot; a seed of None continues the same randomness."""
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
        """Return what is seen now."""
        info = self._info
        assert info is not None
        return self.observation, View.of(info), info["anchor"]

    def read(self, agent: str, action: Any, view: View) -> tuple[Any, str]:
        """Everything that can be written is an action."""
        return action, ""

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Take a turn."""
        self.observation, reward, ended, cut, info = self.env.step(actions[AGENT])
        self._info, stop = info, _RUNNING
        if ended or cut:
            stop, self.agents = _stop(ended), ()
        return {AGENT: Arrival(float(reward), stop, self.observation, info, True)}

    def _at(self, observation: str, info: Info) -> Sequence[str]:
        self.observation, self._info = observation, info
        self.agents = () if info["won"] else (AGENT,)
        return (AGENT,)


@runtime_checkable
class _Typed(Protocol):
    def task_type(self, task: str) -> str: ...


class ParallelWorld:
    """A PettingZoo parallel environment, ours or a stranger's.

    Strangers' environments expect an action of everybody who is asked. One that could not be read
    is replaced there, and where nothing can be said (a full context), something is said all the
    same; environments of the contract are told nothing then, and say what that costs.
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
        """Begin a task, or what the seed alone begins where the world has no tasks."""
        options = {"task": start.task} if start.task else None
        self._observations, self._infos = self.env.reset(seed=start.seed, options=options)
        return self.agents

    def snapshot(self) -> bytes:
        """Return the environment's snapshot; see `restore`."""
        return bytes(self._forkable().snapshot())

    def restore(self, data: bytes, seed: int) -> Sequence[str]:
        """Return to a snapshot.

        Raises:
            ForkError: the environment cannot.
        """
        self._observations, self._infos = self._forkable().restore(data, seed=seed)
        return self.agents

    def task_type(self, task: str) -> str:
        """Return the kind of a task."""
        return self.env.task_type(task) if task and isinstance(self.env, _Typed) else ""

    def info(self, agent: str) -> Mapping[str, Any]:
        """Return the present info of an agent; empty where the world gives none."""
        return self._infos.get(agent, {})

    def text(self, agent: str) -> str:
        """Return the present observation of an agent as text.

        Raises:
            ContractError: the world has none for it.
        """
        return as_text(self._observation(agent))

    def sight(self, agent: str) -> Sight | None:
        """Return what an agent sees; without an anchor, its text is the key.

        Raises:
            ContractError: the world has no observation for it.
        """
        info = self.info(agent)
        if not info.get("active", True):  # a stranger's waits for all
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
        """Read what was written as an element of the action space."""
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
                float(rewards.get(agent, 0.0)),
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
    """A world that is planned for as one of a single seat, `TEAM`, whose action is a joint plan.

    The agents share the reward, so its mean is taken.

    Raises:
        ContractError: the environment cannot be planned for.
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
        """The team, while it has something left to do."""
        return (TEAM,) if self.env.agents and not self._won else ()

    def reset(self, start: Start) -> Sequence[str]:
        """Begin a task; where all have won at once, nobody is in play."""
        _, infos = self.env.reset(seed=start.seed, options={"task": start.task})
        self._won = all(info["won"] for info in infos.values())
        self._info = {"won": self._won}
        return (TEAM,)

    def snapshot(self) -> bytes:
        """Return the environment's snapshot."""
        return self.env.snapshot()

    def restore(self, data: bytes, seed: int) -> Sequence[str]:
        """Return to a snapshot."""
        _, infos = self.env.restore(data, seed=seed)
        self._won = all(info["won"] for info in infos.values())
        self._info = {"won": self._won}
        return (TEAM,)

    def task_type(self, task: str) -> str:
        """Return the kind of a task."""
        return self.env.task_type(task)

    def info(self, agent: str = TEAM) -> Mapping[str, Any]:
        """Return whether all have won, and what the last plan lacked."""
        return self._info

    def text(self, agent: str = TEAM) -> str:
        """Return what all see together."""
        return self.planned.situation()

    def sight(self, agent: str = TEAM) -> Sight:
        """Return what all see together."""
        return self.planned.situation(), View("", (), True, ""), self.planned.anchor()

    def read(self, agent: str, action: Any, view: View) -> tuple[Any, str]:
        """A plan is what the world takes."""
        return action, ""

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Carry the plan of a round out."""
        plan: Plan = actions[TEAM]
        reason = self.planned.problem(plan)
        names = self.env.possible_agents
        _, rewards, ended, _, infos = self.env.step(dict(zip(names, plan, strict=True)))
        won = all(info["won"] for info in infos.values())
        self._info = {"won": won, "action_valid": not reason, "reason": reason}
        stop = _RUNNING if self.env.agents else _stop(any(ended.values()))
        reward = sum(rewards.values()) / len(rewards)
        return {TEAM: Arrival(reward, stop, self.planned.situation(), self._info, judged=True)}


def as_world(env: Any) -> World:
    """Return an environment of one agent, or a parallel one, as a run of an episode meets it."""
    return SoloWorld(env) if isinstance(env, TextEnv) else ParallelWorld(env)


def _stop(ended: object) -> StopReason:
    return StopReason.TERMINATED if ended else StopReason.TURNS
