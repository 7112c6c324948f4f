"""Records of what the checks play: scripts of actions, the moments they give, and faults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple


class Script(NamedTuple):
    """How to get somewhere: a task, a seed, and actions from the start."""

    task: str
    seed: int
    actions: tuple[Any, ...] = ()

    def upto(self, turn: int) -> Script:
        """Return the script up to and including its first `turn` actions."""
        return self._replace(actions=self.actions[:turn])

    def then(self, *actions: Any) -> Script:
        """Return the script with more actions."""
        return self._replace(actions=self.actions + actions)


class Fault(NamedTuple):
    """A fault of the environment."""

    seen: str
    remedy: str
    where: Script | None = None


class FaultError(Exception):
    """A fault that leaves a check no way on."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.seen)
        self.fault = fault


@dataclass(frozen=True)
class Moment:
    """What one turn gave; the first of an episode is what `reset` gave."""

    observation: Any
    info: dict[str, Any]
    reward: Any = 0.0
    terminated: Any = False
    truncated: Any = False

    @property
    def ended(self) -> bool:
        """Whether the episode was over."""
        return bool(self.terminated or self.truncated)

    @property
    def key(self) -> Any:
        """The anchor that the future depends on."""
        return self.info["anchor"]

    @property
    def task(self) -> Any:
        """The task that is said to be played."""
        return self.info.get("task_id")

    def as_restored(self) -> Moment:
        """Return what is told again when the state is restored."""
        return self

    def get(self, name: str) -> Any:
        """Return a field, or an entry of the info."""
        return getattr(self, name) if name in self.__dataclass_fields__ else self.info.get(name)


@dataclass(frozen=True)
class JointMoment(Moment):
    """What one joint turn gave: every field is by agent."""

    joint_anchor: Any = None
    """The key of the joint state; None in an environment without anchors."""

    @property
    def ended(self) -> bool:
        """Whether no agent was left."""
        if not isinstance(self.terminated, dict):
            return False
        return all(end or self.truncated.get(a) for a, end in self.terminated.items())

    @property
    def key(self) -> Any:
        """The anchor of the joint state."""
        return self.joint_anchor

    @property
    def task(self) -> Any:
        """The task that every agent is told, or what they are told if that differs."""
        told = list(self.get("task_id").values())
        return told[0] if told and all(one == told[0] for one in told) else told

    def get(self, name: str) -> Any:
        """Return a field, or the entries of that name in the infos, by agent."""
        if name in self.__dataclass_fields__:
            return getattr(self, name)
        return {a: info.get(name) for a, info in self.info.items() if isinstance(info, dict)}

    def as_restored(self) -> Moment:
        """Return what is told again when the state is restored: to the agents in play."""
        if not isinstance(self.terminated, dict):
            return self
        left = [a for a, end in self.terminated.items() if not (end or self.truncated[a])]
        seen = {agent: self.observation[agent] for agent in left}
        return replace(self, observation=seen, info={agent: self.info[agent] for agent in left})

    def of(self, agent: str) -> Moment:
        """Return what one agent was given."""
        return Moment(self.observation.get(agent), self.info.get(agent, {}))
