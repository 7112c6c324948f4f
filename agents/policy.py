"""What a rollout needs of a policy: sessions that turn observations into actions.

A language policy, a script, a planner and a person are the same to the rollout. A session is
one agent's side of one episode; it alone owns memory and prompt tokens.
"""

from __future__ import annotations

import random
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from anchorgym.agents.trie import Trie
from anchorgym.envs import ExpertKind, Info, TextEnv
from anchorgym.envs.errors import ContractError

if TYPE_CHECKING:
    from anchorgym.agents.engine import Engine


_SLOT = re.compile(r"<[^<>]*>")
_WORDS = 3
"""Words that random play fills a slot with."""


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
class Generation:
    """What an engine wrote for one turn."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Log-probability of each token under the distribution it was sampled from."""
    stop: str
    """"eos", or "length" when the response was cut at its limit."""
    allowed: tuple[tuple[int, ...], ...] = ()
    """Tokens among which each one was chosen; empty when the response was free."""
    version: int = 0
    """Of the weights; one response has one version."""
    temperatures: tuple[float, ...] = ()
    """That each token was drawn at; empty when all were drawn at the one that was asked for."""


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
        return _ScriptedSession(self, env, agent)

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Return the next action."""
        raise NotImplementedError

    def choose_for(self, agent: str, env: Any, observation: str, view: View) -> str:
        """Return the next action of one of several agents; by default, `choose`."""
        return self.choose(env, observation, view)


class _ScriptedSession:
    def __init__(self, policy: ScriptedPolicy, env: TextEnv, agent: str) -> None:
        self.key = id(self)
        self._policy, self._env, self._agent = policy, env, agent
        self._seen: tuple[str, View] | None = None

    def prompt(self, observation: str, view: View) -> Prompt | None:
        self._seen = observation, view
        return Prompt()

    def decide(self, generation: Generation | None) -> Decision:
        if self._seen is None:
            raise RuntimeError("decide() comes after prompt()")
        return Decision(self._policy.choose_for(self._agent, self._env, *self._seen))

    def fork(self, env: TextEnv, turns: int | None = None) -> Session:
        return _ScriptedSession(self._policy, env, self._agent)

    def shelve(self) -> None:
        self._seen = None

    def close(self) -> None:
        self._seen = None


class ExpertPolicy(ScriptedPolicy):
    """Plays what the environment's own expert says."""

    def __init__(self, kind: ExpertKind = "honest") -> None:
        self.kind: ExpertKind = kind

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Ask the environment's expert."""
        return env.expert_action(self.kind)

    def choose_for(self, agent: str, env: Any, observation: str, view: View) -> str:
        """Ask the expert; in a world of several agents, that of this one."""
        if isinstance(env, TextEnv):
            return self.choose(env, observation, view)
        return str(env.expert_action(agent, self.kind))


class ScriptPolicy(ScriptedPolicy):
    """Plays scripts that the world knows by name, through its `scripted_action(agent, name)`.

    Args:
        names: of the scripts; of several, each agent draws one for each episode.
        seed: of that draw.
    """

    def __init__(self, *names: str, seed: int = 0) -> None:
        self.names = names
        self._rng = random.Random(seed)

    def reseed(self, seed: int) -> None:
        """Draw anew from here."""
        self._rng = random.Random(seed)

    def open(self, env: Any, agent: str = "agent") -> Session:
        """Begin an episode with one of the scripts."""
        if len(self.names) == 1:
            return super().open(env, agent)
        return ScriptPolicy(self._rng.choice(self.names)).open(env, agent)

    def choose_for(self, agent: str, env: Any, observation: str, view: View) -> str:
        """Ask the world.

        Raises:
            ContractError: it knows no scripts.
        """
        if not hasattr(env, "scripted_action"):
            raise ContractError(
                f"{type(env).__name__} knows no script {self.names[0]!r}: give it a method "
                "scripted_action(agent, name), or let 'expert' or 'random' play"
            )
        return str(env.scripted_action(agent, self.names[0]))


class RandomPolicy(ScriptedPolicy):
    """Plays an admissible action at random; slots are filled with words of the goal."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = random.Random(seed)

    def reseed(self, seed: int) -> None:
        """Draw anew from here."""
        self._rng = random.Random(seed)

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Draw one of the admissible actions; an empty action where there is none."""
        if not view.admissible_actions:
            return ""
        action = self._rng.choice(view.admissible_actions)
        return _SLOT.sub(lambda _: self._words(view.goal), action)

    def _words(self, goal: str) -> str:
        words = goal.split() or ["any"]
        return " ".join(self._rng.sample(words, min(_WORDS, len(words))))
