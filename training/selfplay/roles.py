"""Roles of a multi-agent world: groups of agents with their policy, algorithm and learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np

from anchorgym.agents.policies.base import Policy
from anchorgym.envs.errors import AnchorgymError, did_you_mean
from anchorgym.gigpo import Algorithm, Counts, Novelty, State, TurnBatch
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.columns import turn_batch
from anchorgym.training.learning.contract import PolicyLearner, require_finite
from anchorgym.training.learning.learner_batch import LearnerBatch, compute_advantages, explored
from anchorgym.training.learning.learners import learner_for
from anchorgym.training.learning.schedules import learning_rate
from anchorgym.training.learning.usual import usual_learner
from anchorgym.training.rollout.types import Episode, Match
from anchorgym.training.run.checkpoints import Checkpoint
from anchorgym.training.run.memory import release_spare_memory

Grouping = Literal["role", "agent"]
"""Scope in which trajectories are compared: all agents of a role, or each agent by itself."""


class RoleError(AnchorgymError, ValueError):
    """Roles that do not fit the world, or each other."""


@dataclass(slots=True)
class Role:
    """Agents that share a goal and a policy, and are trained together.

    Attributes:
        name: name of the role.
        agents: agents of the role.
        policy: policy of all agents of the role; other roles may share it.
        algorithm: algorithm that trains the role; None for an untrained role.
        state: state of the algorithm.
        grouping: scope in which returns are compared: the role, or each agent by itself.
        anchor: key that turns are grouped by, see `anchor_keys`.
        exploration: kind of novelty bonus that is added to the rewards.
        exploration_coef: weight of that bonus.
        visits: counts of visited states in earlier updates, to which each update adds.
    """

    name: str
    agents: tuple[str, ...]
    policy: Policy
    algorithm: Algorithm | None = None
    state: State = field(default_factory=dict)
    grouping: Grouping = "role"
    anchor: str = "state"
    exploration: Novelty = "none"
    exploration_coef: float = 0.1
    visits: Counts = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.algorithm is not None and not self.state:
            self.state = self.algorithm.initial_state()

    def sides(self, matches: Sequence[Match]) -> list[tuple[str, Episode]]:
        """Return (agent, episode) for every agent that the role's policy has played."""
        return [
            (agent, match.sides[agent])
            for match in matches
            for agent in self.agents
            if agent not in match.guests and agent in match.sides and match.sides[agent].turns
        ]

    def batch(self, sides: Sequence[tuple[str, Episode]]) -> TurnBatch:
        """Return the batch of the role's turns, with a trajectory for each agent of each match."""
        by_agent = self.grouping == "agent"
        return turn_batch(
            [side for _, side in sides],
            self.anchor,
            groups=[(side.start.group, agent if by_agent else "") for agent, side in sides],
            roles=[agent if by_agent else self.name for agent, _ in sides],
        )

    def explored(self, sides: Sequence[tuple[str, Episode]]) -> TurnBatch:
        """Return the batch of the role's turns with the novelty bonus, and count their visits."""
        batch = self.batch(sides)
        return explored(batch, self.exploration, self.exploration_coef, self.visits)


class Roles:
    """The roles of a world, and one learner for each policy that is trained.

    Args:
        roles: roles, of which each agent has one.
        config: settings of the learners, by role.
        temperature: sampling temperature of actions.

    Raises:
        RoleError: roles share a policy but not the algorithm.
        LearnerError: a policy cannot be trained, or not with its algorithm.
    """

    def __init__(
        self, roles: Sequence[Role], config: Mapping[str, LearnerConfig], temperature: float = 1.0
    ) -> None:
        self.roles = {role.name: role for role in roles}
        self.learners: dict[str, PolicyLearner] = {}
        """Learners by the first role that follows the policy."""
        self._learner_of: dict[str, str] = {}
        self._config: dict[str, LearnerConfig] = {}
        owners: dict[int, str] = {}
        for role in roles:
            owner = self.roles[owners.setdefault(id(role.policy), role.name)]
            if role.algorithm is None:
                continue
            if owner is not role and owner.algorithm != role.algorithm:
                raise RoleError(
                    f"{owner.name} and {role.name} share a policy: give both the same algorithm, "
                    "because one update serves both"
                )
            self._learner_of[role.name] = owner.name
            if owner.name not in self.learners:
                settings = usual_learner(config[owner.name], role.policy)
                self._config[owner.name] = settings
                self.learners[owner.name] = learner_for(
                    role.policy, role.algorithm, settings, temperature=temperature
                )

    @property
    def seats(self) -> dict[str, Policy]:
        """The policy of every agent."""
        return {agent: role.policy for role in self.roles.values() for agent in role.agents}

    def state(self) -> dict[str, Any]:
        """Return what the algorithms remember, as JSON values; the learners save themselves."""
        return {
            "states": {name: role.state for name, role in self.roles.items()},
            "visits": {name: role.visits for name, role in self.roles.items()},
        }

    def restore(
        self, saved: Checkpoint, state: Mapping[str, Any] | None = None, prefix: str = ""
    ) -> None:
        """Restore the roles of a checkpoint.

        Args:
            saved: checkpoint, with a part for each learner.
            state: values of `state`; by default those of the checkpoint.
            prefix: beginning of the names of the parts.

        Raises:
            CheckpointError: a learner has no part in the checkpoint.
        """
        state = saved.state if state is None else state
        for name, role in self.roles.items():
            role.state, role.visits = state["states"][name], state["visits"][name]
        for name, learner in self.learners.items():
            learner.load(saved.part(prefix + name))
            engine = self.roles[name].policy.engine
            if engine is not None:
                learner.publish(engine)

    def set_learning_rates(self, iteration: int, iterations: int) -> None:
        """Set the learning rates of all learners for one of the iterations 1 … `iterations`."""
        for name, learner in self.learners.items():
            learner.set_learning_rate(learning_rate(self._config[name], iteration, iterations))

    def learn(
        self, matches: Sequence[Match], seed: int, trained: Sequence[str] | None = None
    ) -> dict[str, dict[str, float]]:
        """Update every policy once from the matches of its roles.

        Args:
            matches: matches that were played with these policies.
            seed: seed of the order of mini-batches.
            trained: names of the roles to train; by default all trainable roles.

        Returns:
            Metrics by role.
        """
        measured: dict[str, dict[str, float]] = {}
        batches: dict[str, list[LearnerBatch]] = {}
        for role in self.roles.values():
            sides = role.sides(matches)
            measured[role.name] = _figures([side for _, side in sides])
            if role.algorithm is None or not sides or (trained and role.name not in trained):
                continue
            owner = self._learner_of[role.name]
            batch = _batch_of(role, role.algorithm, self.learners[owner], sides, seed)
            if batch is not None:
                measured[role.name]["zero_advantage"] = float(np.mean(batch.advantages == 0))
                batches.setdefault(owner, []).append(batch)
        for owner, parts in batches.items():
            learner, engine = self.learners[owner], self.roles[owner].policy.engine
            statistics = learner.update(LearnerBatch.joined(parts).all_rows, seed)
            release_spare_memory()
            measured[owner].update(require_finite(statistics, learner))
            if engine is not None:
                learner.publish(engine)
        return measured


def _batch_of(
    role: Role,
    algorithm: Algorithm,
    learner: PolicyLearner,
    sides: Sequence[tuple[str, Episode]],
    seed: int,
) -> LearnerBatch | None:
    """Return the learner's batch of a role; None if its algorithm drops all groups."""
    batch = role.batch(sides)
    kept = algorithm.keep(batch, role.state)[batch.group]
    firsts = np.cumsum([0, *(len(side.turns) for _, side in sides[:-1])])
    kept_sides: list[tuple[str, Episode]] = []
    dropped_sides: list[tuple[str, Episode]] = []
    for side, keep in zip(sides, kept[firsts].tolist(), strict=True):
        (kept_sides if keep else dropped_sides).append(side)
    if dropped_sides and role.exploration != "none":
        role.explored(dropped_sides)  # turns of dropped groups are visits too
    if not kept_sides:
        return None
    episodes = [side for _, side in kept_sides]
    batch = role.explored(kept_sides)
    return compute_advantages(algorithm, role.state, learner, episodes, batch, seed)


def roles_of(agents: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Group agents by their name without its number: `attacker_0` has the role `attacker`."""
    roles: dict[str, list[str]] = {}
    for agent in agents:
        stem, _, number = agent.rpartition("_")
        roles.setdefault(stem if stem and number.isdigit() else agent, []).append(agent)
    return {name: tuple(members) for name, members in roles.items()}


def agents_of(patterns: Sequence[str], agents: Sequence[str]) -> tuple[str, ...]:
    """Return the agents that match patterns such as `attacker_*`.

    Raises:
        RoleError: a pattern matches no agent.
    """
    found: list[str] = []
    for pattern in patterns:
        named = [agent for agent in agents if fnmatchcase(agent, pattern)]
        if not named:
            raise RoleError(
                f"no agent is named {pattern!r}.{did_you_mean(pattern, agents)} "
                f"There are {', '.join(agents)}"
            )
        found += [agent for agent in named if agent not in found]
    return tuple(found)


def _figures(sides: Sequence[Episode]) -> dict[str, float]:
    """Return mean metrics over the episodes of a role."""
    if not sides:
        return {}
    turns: list[Any] = [turn for side in sides for turn in side.turns]
    return {
        "score": float(np.mean([side.score for side in sides])),
        "won": float(np.mean([side.won for side in sides])),
        "turns": len(turns) / len(sides),
        "valid": float(np.mean([turn.valid for turn in turns])),
    }
