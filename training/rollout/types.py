"""What rollouts are made of: starts, turns and episodes."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    group: int = 0
    seed: int = 0
    """Of the randomness from there on."""
    origin: Origin | None = None
    """Of a fork; None begins at the task's start."""
    hint: int = 0
    """So many of the first turns are an expert's."""


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
    logprobs: tuple[float, ...] = ()
    """Of the response's tokens, when they were sampled."""
    allowed: tuple[tuple[int, ...], ...] = ()
    """Tokens among which each one was chosen; empty when the response was free."""
    version: int = 0
    """Of the weights that wrote the response."""
    temperatures: tuple[float, ...] = ()
    """Of the response's tokens; empty where all were drawn at that of the rollout."""
    action: str = ""
    text: str = ""
    """What the policy wrote, as text."""
    reward: float = 0.0
    valid: bool = True
    reason: str = ""
    """Why the action was invalid."""


@dataclass(slots=True)
class Episode:
    """What happened from one start."""

    start: Start
    task_type: str
    turns: list[Turn] = field(default_factory=list)
    won: bool = False
    stop: str = ""
    """"terminated", "turns" (the limit), "context" (the transcript was full) or "stuck"."""
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
