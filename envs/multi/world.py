"""`MultiAgentEnv`: a base class that keeps the contract for several agents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from gymnasium import Space
from gymnasium.utils import seeding
from pettingzoo import ParallelEnv

from anchorgym.envs.bookkeeping import (
    checksum,
    digest,
    generator,
    pack,
    requested_task,
    unpack,
    unreadable_action,
    value_digest,
)
from anchorgym.envs.core import JSON, ExpertKind
from anchorgym.envs.errors import (
    ContractError,
    DataError,
    NoExpertError,
    OptionError,
    ResetNeededError,
    SnapshotError,
    UnknownSplitError,
    UnknownTaskError,
    reason_of,
)
from anchorgym.envs.multi.contract import AgentInfo, AgentOutcome
from anchorgym.envs.spaces import as_admissible

Obs = TypeVar("Obs")
Act = TypeVar("Act")

_IGNORED_OPTIONS = frozenset({"options"})
"""PettingZoo's own tests pass an option of this name to every environment."""


class MultiAgentEnv(ParallelEnv[str, Obs, Act], ABC):
    """A PettingZoo `ParallelEnv` that keeps the `AnchoredParallelEnv` contract.

    A world implements `tasks`, `start`, `act`, `observe`, `admissible_actions`, `save` and
    `load`. Turn limit, unreadable and missing actions, agents that leave, infos, anchors and
    snapshots are done here. The task id fixes the whole start; chance belongs in `act`.

    Args:
        observation_spaces: by agent; the agents act and are listed in this order.
        action_spaces: by agent. In a `Unicode` space any string is read; in another space, what
            it contains.
        split: the panel that `reset` draws tasks from when it is given none.
        max_turns: the number of joint turns after which the agents left are truncated.
        render_mode: None, or one of `metadata["render_modes"]`.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "render_fps": 1}  # type: ignore[misc]
    splits: ClassVar[tuple[str, ...]] = ("train",)
    stochastic: ClassVar[bool] = True
    """False lets `snapshot` leave out a random generator that the world never uses."""

    np_random: np.random.Generator
    """Where `act` draws all chance from."""

    def __init__(
        self,
        observation_spaces: Mapping[str, Space[Obs]],
        action_spaces: Mapping[str, Space[Act]],
        *,
        split: str = "train",
        max_turns: int = 50,
        render_mode: str | None = None,
    ) -> None:
        if split not in self.splits:
            raise UnknownSplitError(split, self.splits)
        if max_turns < 1:
            raise OptionError(f"max_turns must be at least 1, got {max_turns}")
        if set(observation_spaces) != set(action_spaces) or not action_spaces:
            raise OptionError("observation and action spaces must be of the same agents")
        self.observation_spaces = dict(observation_spaces)
        self.action_spaces = dict(action_spaces)
        self.possible_agents = list(observation_spaces)
        self.agents: list[str] = []
        self.split = split
        self.max_turns = max_turns
        self.render_mode = render_mode
        self.np_random, _ = seeding.np_random()
        self._task: str | None = None
        self._turn = 0
        self._admissible: dict[str, tuple[Any, ...]] = {}

    # What a world says of itself ------------------------------------------------------------

    @abstractmethod
    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the task ids of a split (default: `self.split`); see `AnchoredEnv.tasks`."""

    @abstractmethod
    def start(self, task: str) -> None:
        """Put the world at the start of `task`.

        `self.agents` holds every possible agent; a task for fewer of them narrows it here. Draw
        nothing from `np_random`: a hidden secret is part of the task id or drawn in `act`.

        Raises:
            UnknownTaskError: before anything has changed.
        """

    @abstractmethod
    def act(self, actions: Mapping[str, Act]) -> Mapping[str, AgentOutcome]:
        """Carry out one joint turn; randomness comes from `self.np_random` alone.

        Args:
            actions: of the active agents, in the order of `agents`. An agent whose action could
                not be read, or that said nothing, is absent and does nothing.

        Returns:
            Outcomes of agents in play; one that is absent has the default `AgentOutcome`.
        """

    @abstractmethod
    def observe(self, agent: str) -> Obs:
        """Return what an agent sees now: a function of task, state and turn only."""

    @abstractmethod
    def admissible_actions(self, agent: str) -> tuple[Act, ...]:
        """Return the actions of an active agent that do something in the present state."""

    @abstractmethod
    def save(self) -> JSON:
        """Return everything that changed since `start`, as JSON values."""

    @abstractmethod
    def load(self, state: JSON) -> None:
        """Take a state that `save` returned, after `start` of the same task."""

    def goal(self, agent: str) -> str:
        """Return what an agent is to do, in words."""
        return ""

    def active(self, agent: str) -> bool:
        """Whether an agent's next action can matter; in a world of turns, whose turn it is."""
        return True

    def won(self, agent: str) -> bool:
        """Whether an agent's goal holds now."""
        return False

    def progress(self, agent: str) -> float:
        """How far along an agent is, in [0, 1]."""
        return 1.0 if self.won(agent) else 0.0

    def extra_info(self, agent: str) -> Mapping[str, Any]:
        """Return info keys of the world's own."""
        return {}

    def close(self) -> None:
        """Release what the world holds: nothing, unless it says otherwise."""

    def config(self) -> Mapping[str, JSON]:
        """Return what, beside class, agents and turn limit, makes snapshots incompatible."""
        return {}

    def task_type(self, task: str) -> str:
        """Return the kind of a task, by which evaluations are broken down."""
        return ""

    def expert_action(self, agent: str, kind: ExpertKind = "honest") -> Act:
        """Return an expert's next action for an agent: knowing what it saw, or everything.

        Raises:
            NoExpertError: the world has none.
        """
        raise NoExpertError(f"{type(self).__name__} has no {kind} expert for {agent}")

    def anchor(self) -> bytes:
        """Return the key of the joint state: by default a hash of who plays and `save()`."""
        return digest([self.agents, self.save()])

    def information_set(self, agent: str) -> bytes:
        """Return the key of what an agent may know of the joint state: 16 bytes.

        It is a function of task and state that tells no more than the agent's own observations
        and actions do. By default, a hash of what it sees and can do now; a world whose agents
        are meant to remember more keys that too.
        """
        return value_digest([agent, self.observe(agent), self._listed(agent)])

    # The PettingZoo side --------------------------------------------------------------------

    @property
    def task(self) -> str:
        """The id of the task that is being played."""
        if self._task is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        return self._task

    @property
    def turn(self) -> int:
        """How many joint turns were taken."""
        return self._turn

    def observation_space(self, agent: str) -> Space[Obs]:
        """Return the space of an agent's observations, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Act]:
        """Return the space of an agent's actions, always the same object."""
        return self.action_spaces[agent]

    def reset(  # type: ignore[override]  # AgentInfo is the typed form of PettingZoo's dict
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Obs], dict[str, AgentInfo]]:
        """Start an episode: of `options["task"]`, or of a task that the seed draws.

        Raises:
            UnknownTaskError: there is no such task; the running episode is left as it is.
            OptionError: an option other than "task"; "options", which PettingZoo's own tests
                pass, is ignored.
        """
        task = requested_task(options, _IGNORED_OPTIONS)
        before = self.np_random, self._turn, self.agents
        if seed is not None:
            self.np_random, _ = seeding.np_random(seed)
        try:
            task = self._draw_task() if task is None else task
            self._turn, self.agents = 0, list(self.possible_agents)
            self.start(task)
        except Exception:
            self.np_random, self._turn, self.agents = before
            raise
        self._task = task
        return self._seen({})

    def step(  # type: ignore[override]  # as above
        self, actions: Mapping[str, Act]
    ) -> tuple[
        dict[str, Obs],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, AgentInfo],
    ]:
        """Take one joint turn: (observations, rewards, terminated, truncated, infos).

        All five are of the agents that were in play; those that end leave `agents`. An invalid
        or missing action of an active agent costs its turn, and its info says why. Actions of
        agents that have left are not heard. When nobody is in play, nothing happens.

        Raises:
            OptionError: an action of an agent that is none of `possible_agents`.
        """
        _ = self.task
        strangers = [agent for agent in actions if agent not in self.action_spaces]
        if strangers:
            raise OptionError(f"no agents of this world: {strangers}; {self.possible_agents} are")
        if not self.agents:
            return {}, {}, {}, {}, {}
        self._turn += 1
        played = list(self.agents)
        heard, refused = self._sorted_out(actions)
        outcomes = self._outcomes(self.act(heard), refused, played)
        late = self._turn >= self.max_turns
        terminated = {agent: outcome.terminated for agent, outcome in outcomes.items()}
        truncated = {agent: late and not terminated[agent] for agent in played}
        self.agents = [agent for agent in played if not (terminated[agent] or truncated[agent])]
        rewards = {agent: outcome.reward for agent, outcome in outcomes.items()}
        reasons = {agent: outcome.reason for agent, outcome in outcomes.items()}
        observations, infos = self._seen(reasons, played)
        return observations, rewards, terminated, truncated, infos

    def info(self, agent: str, reason: str = "") -> AgentInfo:
        """Return an agent's info; `reason` says why its last action was invalid."""
        self._admissible[agent] = self._listed(agent)
        info: AgentInfo = {
            "task_id": self._task or "",
            "goal": self.goal(agent),
            "anchor": self.information_set(agent),
            "admissible_actions": self._admissible[agent],
            "action_valid": not reason,
            "reason": reason,
            "active": agent in self.agents and self.active(agent),
            "won": self.won(agent),
            "progress": self.progress(agent),
        }
        info.update(self.extra_info(agent))  # type: ignore[typeddict-item]  # a world's own keys
        return info

    # Snapshots ------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Return task, turn, agents, state and randomness as UTF-8 JSON."""
        return pack(
            {
                "config": self.config_hash(),
                "task": self.task,
                "turn": self._turn,
                "agents": self.agents,
                "state": self.save(),
                "rng": self.np_random.bit_generator.state if self.stochastic else None,
            }
        )

    def restore(
        self, data: bytes, seed: int | None = None
    ) -> tuple[dict[str, Obs], dict[str, AgentInfo]]:
        """Return to a snapshot of this environment; see `AnchoredParallelEnv.restore`.

        Raises:
            SnapshotError: foreign, stale or damaged bytes; the running episode stays as it is.
        """
        body = unpack(data, self.config_hash(), type(self).__name__)
        before = self._turn, self.agents
        self._turn, self.agents = 0, list(self.possible_agents)
        try:
            self.start(body["task"])
            self._turn, self.agents = body["turn"], list(body["agents"])
            self.load(body["state"])
        except UnknownTaskError as error:
            self._turn, self.agents = before
            raise SnapshotError(f"the snapshot is of a task that is not here: {error}") from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self._task = None
            raise SnapshotError(
                f"the snapshot's state does not fit this world ({reason_of(error)}); call reset()"
            ) from error
        except Exception:
            self._turn, self.agents = before
            raise
        self._task = body["task"]
        if seed is not None:
            self.np_random, _ = seeding.np_random(seed)
        elif body["rng"] is not None:
            self.np_random = generator(body["rng"])
        return self._seen({})

    def config_hash(self) -> str:
        """Return the hash of what has to agree for a snapshot to be restored here."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return checksum([name, self.possible_agents, self.max_turns, dict(self.config())])

    # Details --------------------------------------------------------------------------------

    def _draw_task(self) -> str:
        panel = self.tasks(self.split)
        if not panel:
            raise DataError(f"split {self.split!r} of {type(self).__name__} holds no tasks")
        return panel[int(self.np_random.integers(len(panel)))]

    def _sorted_out(self, actions: Mapping[str, Act]) -> tuple[dict[str, Act], dict[str, str]]:
        """Return the actions of active agents that can be read, and why the others cannot."""
        heard: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for agent in self.agents:
            if not self.active(agent):
                continue
            action: Any = actions.get(agent)
            problem = unreadable_action(action, self.action_spaces[agent])
            if problem:
                refused[agent] = problem
            elif isinstance(action, str):
                heard[agent] = as_admissible(action, self._admissible.get(agent, ()))
            else:
                heard[agent] = action
        return heard, refused

    def _outcomes(
        self, given: Mapping[str, AgentOutcome], refused: Mapping[str, str], played: list[str]
    ) -> dict[str, AgentOutcome]:
        strangers = [agent for agent in given if agent not in played]
        if strangers:
            raise ContractError(f"act() gave outcomes for agents that are not in play: {strangers}")
        outcomes = {agent: given.get(agent, AgentOutcome()) for agent in played}
        return outcomes | {
            agent: outcomes[agent]._replace(reason=reason) for agent, reason in refused.items()
        }

    def _listed(self, agent: str) -> tuple[Act, ...]:
        plays = agent in self.agents and self.active(agent)
        return self.admissible_actions(agent) if plays else ()

    def _seen(
        self, reasons: Mapping[str, str], agents: Sequence[str] | None = None
    ) -> tuple[dict[str, Obs], dict[str, AgentInfo]]:
        agents = self.agents if agents is None else agents
        observations = {agent: self.observe(agent) for agent in agents}
        return observations, {agent: self.info(agent, reasons.get(agent, "")) for agent in agents}
