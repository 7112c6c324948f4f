"""The vocabulary of rollouts: starts, turns, episodes and matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class StopReason(StrEnum):
    """Why an episode ended; the values are those of recorded episodes."""

    RUNNING = ""
    """It has not ended, or its world has dropped the agent without a word."""
    TERMINATED = "terminated"
    """The task reached an end of its own, such as success."""
    TURNS = "turns"
    """The world's limit of turns."""
    CONTEXT = "context"
    """The policy's context had no room for a further turn."""
    STUCK = "stuck"
    """As many invalid turns in a row as the rollout has patience for."""
    LEFT = "left"
    """A person stopped playing."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The state that a fork begins in: where its parent took a turn."""

    parent: Episode
    turn: int
    """Number of that turn since the task's start, from 0."""

    @property
    def lived(self) -> list[Turn]:
        """The parent's own turns before it."""
        return self.parent.turns[: self.turn - self.parent.first_turn]


@dataclass(frozen=True, slots=True)
class Start:
    """Where an episode begins, and which group it belongs to."""

    task: str
    """Task id; empty for worlds without tasks."""
    group: int = 0
    """Episodes with equal numbers are compared with each other."""
    seed: int = 0
    """Seed of the world's randomness from there on."""
    origin: Origin | None = None
    """Where a fork begins; None begins at the task's start."""
    hint: int = 0
    """Number of first turns that an expert takes."""


@dataclass(slots=True)
class Turn:
    """One observation, one response, one transition."""

    observation: str
    anchor: bytes
    context: tuple[int, ...] = ()
    """Tokens that were read before the response, but for those of earlier turns."""
    restart: bool = False
    """Whether the context began anew: earlier turns were not read."""
    response: tuple[int, ...] = ()
    """Tokens that were written."""
    logprobs: tuple[float, ...] = ()
    """Log-probability of each token of the response, in nats, when it was sampled."""
    allowed: tuple[tuple[int, ...], ...] = ()
    """Tokens among which each one was chosen; empty when the response was free."""
    version: int = 0
    """Version of the weights that wrote the response."""
    temperatures: tuple[float, ...] = ()
    """Temperature of each token of the response; empty where all had that of the rollout."""
    action: str = ""
    text: str = ""
    """What the policy wrote, as text."""
    reward: float = 0.0
    valid: bool = True
    reason: str = ""
    """Why the action was invalid."""


@dataclass(slots=True)
class Episode:
    """What one seat saw and did from one start."""

    start: Start
    task_type: str
    turns: list[Turn] = field(default_factory=list)
    won: bool = False
    stop: StopReason = StopReason.RUNNING
    goal: str = ""
    final_observation: str = ""
    """What was seen after the last action."""

    @property
    def score(self) -> float:
        """The sum of rewards."""
        return sum(turn.reward for turn in self.turns)

    @property
    def first_turn(self) -> int:
        """Number of its first turn since the task's start."""
        return self.start.origin.turn if self.start.origin else 0

    @property
    def history(self) -> list[Turn]:
        """All turns since the task's start: of a fork, those that its parents took too."""
        origin = self.start.origin
        if origin is None:
            return self.turns
        return [*origin.parent.history[: origin.turn], *self.turns]


@dataclass(slots=True)
class Match:
    """What happened from one start, with an episode for each seat."""

    start: Start
    sides: dict[str, Episode] = field(default_factory=dict)
    """Episodes by agent, in the order in which the agents joined."""
    infos: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last info of each agent."""
    guests: frozenset[str] = frozenset()
    """Agents that were not played by the policies of now."""

    def score(self, agent: str) -> float:
        """Return the sum of an agent's rewards."""
        return self.sides[agent].score
