"""The base of the three games: pure functions over states."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from anchorgym.envs.core import JSON
from anchorgym.envs.errors import UnknownTaskError
from anchorgym.envs.planning import FloatArray, Plan
from anchorgym.envs.spaces import as_admissible

S = TypeVar("S")

WAIT = "WAIT"


class Game(ABC, Generic[S]):
    """One level of a game. Instances hold the level; a state is a frozen dataclass of its own.

    A plan is checked in this order: each action must be one of `vocabulary` (parse), the plan must
    keep the task's rules (`broken_rule`), and the robots must get there (`out_of_reach`).

    Args:
        level: one of `levels`.

    Raises:
        UnknownTaskError: there is no such level.
    """

    agents: ClassVar[tuple[str, ...]]
    levels: ClassVar[Mapping[str, Any]]

    def __init__(self, level: str) -> None:
        if level not in self.levels:
            raise UnknownTaskError(level, self.levels)
        self.level = level

    @abstractmethod
    def start(self) -> S:
        """Return the state that the level starts in."""

    @abstractmethod
    def state_from_json(self, values: Mapping[str, JSON]) -> S:
        """Read what `state_to_json` wrote."""

    def state_to_json(self, state: S) -> dict[str, JSON]:
        """Return a state as JSON values."""
        return asdict(state)  # type: ignore[call-overload,no-any-return]  # states are dataclasses

    @abstractmethod
    def goal(self) -> str:
        """Return what is to be done, in words."""

    @abstractmethod
    def manual(self) -> str:
        """Return the rules and the action options, in words."""

    @abstractmethod
    def situation(self, state: S, agent: int) -> str:
        """Return what an agent sees, in words."""

    @abstractmethod
    def vocabulary(self, agent: int) -> tuple[str, ...]:
        """Return every action that can be read, sensible or not."""

    @abstractmethod
    def broken_rule(self, state: S, plan: Plan) -> str:
        """Say which rule of the task a plan (or the plan of the first agents) breaks."""

    @abstractmethod
    def out_of_reach(self, state: S, plan: Plan) -> str:
        """Say which action of a plan cannot be reached."""

    @abstractmethod
    def moved(self, state: S, plan: Plan) -> S:
        """Return the state after a plan that has no problem."""

    @abstractmethod
    def milestones(self, state: S) -> tuple[int, int]:
        """Return (how many steps of the task are done, how many there are)."""

    @abstractmethod
    def numbers(self, state: S) -> list[float]:
        """Return the state as numbers."""

    @abstractmethod
    def suggest(self, state: S, agent: int, before: Plan) -> str:
        """Return the expert's action for an agent, given the plan of those before it."""

    @abstractmethod
    def slip(self, state: S, agent: int, rng: random.Random) -> str:
        """Return a typical mistake."""

    @abstractmethod
    def at_least(self, state: S) -> int:
        """Return a number of rounds that no solution from here falls below."""

    def useful(self, state: S, agent: int) -> tuple[str, ...]:
        """Return actions among which an optimal plan finds its own; by default, all options."""
        return self.options(state, agent)

    def options(self, state: S, agent: int) -> tuple[str, ...]:
        """Return what an agent can do while the others wait; waiting itself is always among it."""
        return tuple(
            action
            for action in self.vocabulary(agent)
            if action == WAIT or not self._hindered(state, self.alone(agent, action))
        )

    def alone(self, agent: int, action: str) -> Plan:
        """Return the plan in which all others wait."""
        return tuple(action if i == agent else WAIT for i in range(len(self.agents)))

    def problem(self, state: S, plan: Plan) -> str:
        """Say why a plan cannot be carried out; empty when it can. See the order above."""
        for i, action in enumerate(plan):
            if action not in self._readable[i]:
                reason = f"{self.agents[i]}'s ACTION {action[:80]!r} is none of its options"
                return f"Parsing failed: {reason}"
        return self._hindered(state, plan)

    def can_read(self, agent: int, action: str) -> bool:
        """Whether an action is in an agent's vocabulary."""
        return action in self._readable[agent]

    def read(self, agent: int, action: str) -> str:
        """Return the action of an agent's vocabulary that is meant; else the action as it is."""
        return as_admissible(action, self._readable[agent])

    @cached_property
    def _readable(self) -> tuple[frozenset[str], ...]:
        return tuple(frozenset(self.vocabulary(i)) for i in range(len(self.agents)))

    def _hindered(self, state: S, plan: Plan) -> str:
        broken = self.broken_rule(state, plan)
        if broken:
            return f"Task constraints failed: {broken}"
        unreached = self.out_of_reach(state, plan)
        return f"Reachability failed: {unreached}" if unreached else ""

    def apply(self, state: S, plan: Plan) -> tuple[S, float]:
        """Carry out a plan: (next state, reward). A plan with a problem changes nothing.

        The reward is the share of the task that the plan gets done. Up to the goal the rewards
        add up to what was not done at the start.
        """
        if self.problem(state, plan):
            return state, 0.0
        after = self.moved(state, plan)
        return after, self.progress(after) - self.progress(state)

    def progress(self, state: S) -> float:
        """Return which share of the task is done, in [0, 1]; 1 when it is solved."""
        done, of = self.milestones(state)
        return done / of

    def solved(self, state: S) -> bool:
        """Whether the task is done."""
        done, of = self.milestones(state)
        return done == of

    def vector(self, state: S) -> FloatArray:
        """Return `numbers` as an array, (n_features,)."""
        return np.array(self.numbers(state), dtype=np.float32)
