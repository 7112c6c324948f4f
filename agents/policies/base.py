"""The contract of policies, which open a session for each agent of each episode.

Language policies, scripts and people share this contract, so a rollout plays them all alike. A
session turns observations into actions; it alone owns memory and prompt tokens.
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
        """Take the keys a policy may see; anchor, won and progress would leak the solution."""
        return cls(info["goal"], info["admissible_actions"], info["action_valid"], info["reason"])


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens that an engine reads before the next response."""

    tokens: tuple[int, ...] = ()
    """New tokens since the last response; empty when no engine is needed."""
    restart: bool = False
    """Whether the context starts anew with these tokens, without the earlier ones."""
    allowed: Trie | None = None
    """The allowed responses, for constrained decoding; None allows any."""
    given: tuple[int, ...] = ()
    """A response written by somebody else, which the engine only reads."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The action that a response means."""

    action: str
    text: str = ""
    """The policy's response as text."""
    problem: str = ""
    """Why no action could be read, to be told in the next prompt; "" leaves it to the world."""


class Session(Protocol):
    """One agent's side of one episode; it alone owns memory and prompt tokens."""

    @property
    def key(self) -> Hashable:
        """The engine's key of this session."""
        ...

    def prompt(self, observation: str, view: View) -> Prompt | None:
        """Return the prompt of the next response; None when the context is full."""
        ...

    def decide(self, generation: Generation | None) -> Decision:
        """Return the action that a response means (None: no engine was asked)."""
        ...

    def fork(self, env: TextEnv, turns: int | None = None) -> Session:
        """Return a session with the same memory that continues in `env`.

        Call it between `decide` and the next `prompt`.

        Args:
            env: environment, in the state in which the next turn is taken.
            turns: number of turns since the task's start to remember; all by default.
        """
        ...

    def shelve(self) -> None:
        """Expect no further turn, only forks from earlier ones."""
        ...

    def close(self) -> None:
        """Release the session's resources."""
        ...


class Policy(Protocol):
    """Opens a session for each episode."""

    @property
    def max_response(self) -> int:
        """Longest response, in tokens; 1 without an engine."""
        ...

    @property
    def engine(self) -> Engine | None:
        """The engine that writes responses; None for policies that need no tokens."""
        ...

    def open(self, env: TextEnv, agent: str = "agent") -> Session:
        """Begin an episode in `env`, whose `reset` has been called."""
        ...
