"""Roles: who is trained in a world of several agents, by what, and against whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs.errors import AnchorgymError, did_you_mean
from anchorgym.gigpo import Algorithm, State, TurnBatch
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.columns import anchor_keys
from anchorgym.training.learning.learner import Learner
from anchorgym.training.learning.learner_batch import LearnerBatch, compute_advantages
from anchorgym.training.learning.schedules import learning_rate
from anchorgym.training.learning.sequences import TokenSequence
from anchorgym.training.learning.table_learner import TableLearner
from anchorgym.training.rollout.types import Episode, Match
from anchorgym.training.run.checkpoints import Tensors

Grouping = Literal["role", "agent"]
"""Whose trajectories are compared with each other: all agents of a role, or each agent's own."""


class RoleError(AnchorgymError, ValueError):
    """Roles that do not fit the world, or each other."""


class AnyLearner(Protocol):
    """What trains a policy."""

    def update(
        self,
        episodes: Sequence[Episode],
        advantages: NDArray[np.float64],
        seed: int,
        *,
        columns: Mapping[str, NDArray[np.float64]] | None = None,
        replayed: Sequence[TokenSequence] = (),
    ) -> dict[str, float]:
        """Take the optimizer steps of one iteration."""
        ...

    def entropies(self, episodes: Sequence[Episode]) -> NDArray[np.float64]:
        """Return the entropy that each written token was drawn with, (n_tokens,)."""
        ...

    def set_learning_rate(self, rate: float) -> None:
        """Take further steps at this rate."""
        ...

    def tensors(self) -> dict[str, Tensors]:
        """Return what has to be kept between two updates."""
        ...

    def resume(self, version: int, tensors: Mapping[str, Tensors]) -> None:
        """Go on from what `tensors` returned after so many updates."""
        ...


@dataclass(slots=True)
class Role:
    """Agents that want the same and are trained together.

    Attributes:
        name: of the role.
        agents: that play it.
        policy: that all of them follow; another role may follow the same one.
        algorithm: None for a role that is not trained.
        state: what the algorithm remembers.
        grouping: whose returns are compared: those of the role, or of each agent by itself.
        anchor: what turns are grouped by, see `anchor_keys`.
    """

    name: str
    agents: tuple[str, ...]
    policy: Policy
    algorithm: Algorithm | None = None
    state: State = field(default_factory=dict)
    grouping: Grouping = "role"
    anchor: str = "state"

    def __post_init__(self) -> None:
        if self.algorithm is not None and not self.state:
            self.state = self.algorithm.initial_state()

    def sides(self, matches: Sequence[Match]) -> list[tuple[str, Episode]]:
        """Return (agent, its side) for every agent that the role's policy has played."""
        return [
            (agent, match.sides[agent])
            for match in matches
            for agent in self.agents
            if agent not in match.guests and agent in match.sides and match.sides[agent].turns
        ]

    def batch(self, sides: Sequence[tuple[str, Episode]]) -> TurnBatch:
        """Return the turns of the role's sides, a trajectory for each agent of each match."""
        rows = [(n, agent, e, turn) for n, (agent, e) in enumerate(sides) for turn in e.turns]
        by_agent = self.grouping == "agent"
        return TurnBatch.from_rows(
            group=[(e.start.group, agent if by_agent else "") for _, agent, e, _ in rows],
            role=[agent if by_agent else self.name for _, agent, _, _ in rows],
            trajectory=np.array([n for n, *_ in rows]),
            anchor=[key for _, e in sides for key in anchor_keys(e, self.anchor)],
            reward=np.array([turn.reward for *_, turn in rows]),
            valid=np.array([turn.valid for *_, turn in rows]),
            truncated=np.array([e.stop != "terminated" for _, _, e, _ in rows]),
        )


def learner_for(
    policy: Policy, algorithm: Algorithm, config: LearnerConfig, temperature: float
) -> AnyLearner:
    """Return what trains a policy of this kind.

    Raises:
        RoleError: it has nothing that can be trained, or not in this way.
    """
    if isinstance(policy, ModelPolicy):
        return Learner(policy, algorithm, config, temperature=temperature)
    if isinstance(policy, TabularPolicy):
        if algorithm.kl_coef:
            raise RoleError("a table has no reference to stay near: set algorithm.kl_coef to 0")
        return TableLearner(policy, algorithm, config, temperature=temperature)
    raise RoleError(
        f"a {type(policy).__name__} has nothing to train: make its role one that is not trained"
    )


class Roles:
    """The roles of a world, and one learner for each policy that is trained.

    Args:
        roles: each agent belongs to one of them.
        config: of the learners.
        temperature: that actions are sampled at.

    Raises:
        RoleError: roles share a policy but not what trains it, or an algorithm does not fit.
    """

    def __init__(
        self, roles: Sequence[Role], config: Mapping[str, LearnerConfig], temperature: float = 1.0
    ) -> None:
        self.roles = {role.name: role for role in roles}
        self.learners: dict[str, AnyLearner] = {}
        """By the first role that follows the policy."""
        self._learner_of: dict[str, str] = {}
        self._config = config
        owners: dict[int, str] = {}
        for role in roles:
            owner = self.roles[owners.setdefault(id(role.policy), role.name)]
            if role.algorithm is None:
                continue
            if type(role.algorithm).temperature is not Algorithm.temperature:
                raise RoleError(
                    f"{role.name}: matches are sampled at one temperature, and this algorithm "
                    "wants one for each token: choose another"
                )
            if owner is not role and owner.algorithm != role.algorithm:
                raise RoleError(
                    f"{owner.name} and {role.name} share a policy: give both the same algorithm, "
                    "because one update serves both"
                )
            self._learner_of[role.name] = owner.name
            if owner.name not in self.learners:
                self.learners[owner.name] = learner_for(
                    role.policy, role.algorithm, config[owner.name], temperature
                )

    @property
    def seats(self) -> dict[str, Policy]:
        """The policy of every agent."""
        return {agent: role.policy for role in self.roles.values() for agent in role.agents}

    def set_learning_rates(self, iteration: int, iterations: int) -> None:
        """Give every learner the rate of one of the iterations 1 … `iterations`."""
        for name, learner in self.learners.items():
            learner.set_learning_rate(learning_rate(self._config[name], iteration, iterations))

    def learn(
        self, matches: Sequence[Match], seed: int, trained: Sequence[str] | None = None
    ) -> dict[str, dict[str, float]]:
        """Update every policy once from what its roles have played.

        Args:
            matches: that were played with these policies.
            seed: of the order of mini-batches.
            trained: roles that are trained now; all that can be, by default.

        Returns:
            For each role, what was measured.
        """
        measured: dict[str, dict[str, float]] = {}
        lessons: dict[str, list[LearnerBatch]] = {}
        for role in self.roles.values():
            sides = role.sides(matches)
            measured[role.name] = _figures([side for _, side in sides])
            if role.algorithm is None or not sides or (trained and role.name not in trained):
                continue
            sides = _kept(role, role.algorithm, sides)
            if not sides:
                continue
            episodes = [side for _, side in sides]
            owner = self._learner_of[role.name]
            lesson = compute_advantages(
                role.algorithm,
                role.state,
                self.learners[owner],
                episodes,
                role.batch(sides),
                seed,
            )
            measured[role.name]["zero_advantage"] = float(np.mean(lesson.advantages == 0))
            lessons.setdefault(owner, []).append(lesson)
        for owner, parts in lessons.items():
            lesson = LearnerBatch.joined(parts)
            statistics = self.learners[owner].update(
                lesson.episodes,
                lesson.advantages,
                seed,
                columns=lesson.columns,
                replayed=lesson.replayed,
            )
            measured[owner].update(statistics)
        return measured


def _kept(
    role: Role, algorithm: Algorithm, sides: list[tuple[str, Episode]]
) -> list[tuple[str, Episode]]:
    """Leave out the sides of groups that the algorithm does not train on."""
    batch = role.batch(sides)
    kept = algorithm.keep(batch, role.state)[batch.group]
    firsts = np.cumsum([0, *(len(side.turns) for _, side in sides[:-1])])
    return [side for side, keep in zip(sides, kept[firsts].tolist(), strict=True) if keep]


def roles_of(agents: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Group agents by what comes before their number: `attacker_0` plays `attacker`."""
    roles: dict[str, list[str]] = {}
    for agent in agents:
        stem, _, number = agent.rpartition("_")
        roles.setdefault(stem if stem and number.isdigit() else agent, []).append(agent)
    return {name: tuple(members) for name, members in roles.items()}


def agents_of(patterns: Sequence[str], agents: Sequence[str]) -> tuple[str, ...]:
    """Return the agents that patterns such as `attacker_*` name.

    Raises:
        RoleError: a pattern names none.
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
    """Return means over the sides of a role."""
    if not sides:
        return {}
    turns: list[Any] = [turn for side in sides for turn in side.turns]
    return {
        "score": float(np.mean([side.score for side in sides])),
        "won": float(np.mean([side.won for side in sides])),
        "turns": len(turns) / len(sides),
        "valid": float(np.mean([turn.valid for turn in turns])),
    }
