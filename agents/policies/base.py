"""What a rollout needs of a policy: sessions that turn observations into actions.

A language policy, a script, a planner and a person are the same to the rollout. A session is
one agent's side of one episode; it alone owns memory and prompt tokens.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from anchorgym.agents.engines.contract import Generation
from anchorgym.agents.engines.trie import Trie
from anchorgym.envs import Info, TextEnv

if TYPE_CHECKING:
    from anchorgym.agents.engines.contract import Engine


class View(NamedTuple):
    """The part of an environment's info that a policy may see."""

    goal: str
    admissible_actions: tuple[str, ...]
    action_valid: bool
    reason: str

    @classmethod
    def of(cls, info: Info) -> View:
        """Take the allowed keys; anchor, won and progress would give the answer away."""
        return cls(info["goal"], info["admissible_actions"], info["action_valid"], info["reason"])


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an engine reads before it writes the next response."""

    tokens: tuple[int, ...] = ()
    """What is new; empty when no engine is needed."""
    restart: bool = False
    """The context starts anew with these tokens: what came before is forgotten."""
    allowed: Trie | None = None
    """The responses that may be written, for constrained decoding; None leaves it free."""
    given: tuple[int, ...] = ()
    """A response that somebody else has written: the engine reads it, and is not asked."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The action that a response means."""

    action: str
    text: str = ""
    """What the policy wrote, as text."""


class Session(Protocol):
    """One agent's side of one episode. It alone owns memory and prompt tokens."""

    @property
    def key(self) -> Hashable:
        """What the engine knows this session by."""
        ...

    def prompt(self, observation: str, view: View) -> Prompt | None:
        """Return what is read before the next response; None when the context is full."""
        ...

    def decide(self, generation: Generation | None) -> Decision:
        """Return what a response means (None: no engine was asked)."""
        ...

    def fork(self, env: TextEnv, turns: int | None = None) -> Session:
        """Return a session that has lived through the same and goes on in `env`.

        It is taken between `decide` and the next `prompt`.

        Args:
            env: is in the state in which the next turn is taken.
            turns: since the task's start that the twin has lived through; all by default.
        """
        ...

    def shelve(self) -> None:
        """Take no further turn, and wait for forks that go on from earlier ones."""
        ...

    def close(self) -> None:
        """Give back what the session holds."""
        ...


class Policy(Protocol):
    """Opens a session for each episode."""

    @property
    def max_response(self) -> int:
        """Longest response that the engine is asked for, in tokens; 1 without an engine."""
        ...

    @property
    def engine(self) -> Engine | None:
        """The engine that writes responses; None for policies that need no tokens."""
        ...

    def open(self, env: TextEnv, agent: str = "agent") -> Session:
        """Begin an episode in `env`, whose `reset` has been called."""
        ...
