"""The vocabulary of rollouts: starts, turns, episodes and matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class StopReason(StrEnum):
    """The reason why an episode ended; recorded episodes contain these values."""

    RUNNING = ""
    """The episode has not ended, or its world has dropped the agent without a reason."""
    TERMINATED = "terminated"
    """The task reached its own end, such as success."""
    TURNS = "turns"
    """The world's limit of turns was reached."""
    CONTEXT = "context"
    """The policy's context had no room for a further turn."""
    STUCK = "stuck"
    """The agent took too many invalid turns in a row; the rollout's `patience` sets the limit."""
    LEFT = "left"
    """A person stopped playing."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The state in which a fork begins, identified by a turn of its parent."""

    parent: Episode
    turn: int
    """Number of that turn since the task's start, from 0."""

    @property
    def lived(self) -> list[Turn]:
        """The parent's own turns before the fork."""
        return self.parent.turns[: self.turn - self.parent.first_turn]


@dataclass(frozen=True, slots=True)
class Start:
    """The start of an episode: its task, group, seed, and the origin of a fork."""

    task: str
    """Task id; empty for worlds without tasks."""
    group: int = 0
    """Number of the group; episodes of one group are compared with each other."""
    seed: int = 0
    """Seed of the world's randomness from the start on."""
    origin: Origin | None = None
    """Origin of a fork; None for an episode from the task's start."""
    hint: int = 0
    """Number of turns at the start that an expert takes."""


@dataclass(slots=True)
class Turn:
    """One observation, one response, one transition."""

    observation: str
    anchor: bytes
    context: tuple[int, ...] = ()
    """Tokens that were read before the response, except for those of earlier turns."""
    restart: bool = False
    """Whether the context was restarted without the earlier turns."""
    response: tuple[int, ...] = ()
    """Tokens of the response."""
    logprobs: tuple[float, ...] = ()
    """Logprob of each token of the response when it was sampled, in nats."""
    allowed: tuple[tuple[int, ...], ...] = ()
    """Allowed tokens at each token of the response; empty for unconstrained responses."""
    version: int = 0
    """Version of the weights that wrote the response."""
    temperatures: tuple[float, ...] = ()
    """Temperature of each token of the response; empty if all had that of the rollout."""
    action: str = ""
    text: str = ""
    """The response as text."""
    reward: float = 0.0
    valid: bool = True
    reason: str = ""
    """Why the action was invalid."""


@dataclass(slots=True)
class Episode:
    """The trajectory of one seat from one start."""

    start: Start
    task_type: str
    turns: list[Turn] = field(default_factory=list)
    won: bool = False
    stop: StopReason = StopReason.RUNNING
    goal: str = ""
    final_observation: str = ""
    """Observation after the last action."""

    @property
    def score(self) -> float:
        """The sum of rewards."""
        return sum(turn.reward for turn in self.turns)

    @property
    def first_turn(self) -> int:
        """Number of the episode's first turn since the task's start."""
        return self.start.origin.turn if self.start.origin else 0

    @property
    def history(self) -> list[Turn]:
        """All turns since the task's start, for a fork including those of its parents."""
        origin = self.start.origin
        if origin is None:
            return self.turns
        return [*origin.parent.history[: origin.turn], *self.turns]


@dataclass(slots=True)
class Match:
    """All episodes from one start, one for each seat."""

    start: Start
    sides: dict[str, Episode] = field(default_factory=dict)
    """Episodes by agent, in the order in which the agents joined."""
    infos: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last info of each agent."""
    guests: frozenset[str] = frozenset()
    """Agents that were not played by the current policies."""

    def score(self, agent: str) -> float:
        """Return the sum of an agent's rewards."""
        return self.sides[agent].score
