"""What a rollout needs of a policy: sessions that turn observations into actions.

A language policy, a script, a planner and a person are the same to the rollout. A session is
one agent's side of one episode; it alone owns memory and prompt tokens.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from anchorgym.envs import ExpertKind, Info, TextEnv

if TYPE_CHECKING:
    from anchorgym.agents.engine import Engine


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
class Generation:
    """What an engine wrote for one turn."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Log-probability of each token under the distribution it was sampled from."""
    stop: str
    """"eos", or "length" when the response was cut at its limit."""


class Session(Protocol):
    """One agent's side of one episode."""

    @property
    def key(self) -> Hashable:
        """What the engine knows this session by."""
        ...

    def prompt(self, observation: str, view: View) -> Sequence[int] | None:
        """Return the tokens to append before the policy writes its next response.

        Empty when no engine is needed; None when the context is full.
        """
        ...

    def decide(self, generation: Generation | None) -> str:
        """Return the action that a response means (None: no engine was asked)."""
        ...

    def close(self) -> None:
        """Give back what the session holds."""
        ...


class Policy(Protocol):
    """Opens a session for each episode."""

    @property
    def engine(self) -> Engine | None:
        """The engine that writes responses; None for policies that need no tokens."""
        ...

    def open(self, env: TextEnv, agent: str = "agent") -> Session:
        """Begin an episode in `env`, whose `reset` has been called."""
        ...


class ScriptedPolicy:
    """Base of policies that decide without an engine, from the world and what is seen."""

    @property
    def engine(self) -> None:
        """No engine."""
        return

    def open(self, env: TextEnv, agent: str = "agent") -> Session:
        """Begin an episode."""
        return _ScriptedSession(self, env)

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Return the next action."""
        raise NotImplementedError


class _ScriptedSession:
    def __init__(self, policy: ScriptedPolicy, env: TextEnv) -> None:
        self.key = id(self)
        self._policy, self._env = policy, env
        self._seen: tuple[str, View] | None = None

    def prompt(self, observation: str, view: View) -> Sequence[int] | None:
        self._seen = observation, view
        return ()

    def decide(self, generation: Generation | None) -> str:
        if self._seen is None:
            raise RuntimeError("decide() comes after prompt()")
        return self._policy.choose(self._env, *self._seen)

    def close(self) -> None:
        self._seen = None


class ExpertPolicy(ScriptedPolicy):
    """Plays what the environment's own expert says."""

    def __init__(self, kind: ExpertKind = "honest") -> None:
        self.kind: ExpertKind = kind

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Ask the environment's expert."""
        return env.expert_action(self.kind)


class RandomPolicy(ScriptedPolicy):
    """Plays an admissible action at random."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = random.Random(seed)

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Draw one of the admissible actions; an empty action where there is none."""
        return self._rng.choice(view.admissible_actions) if view.admissible_actions else ""
