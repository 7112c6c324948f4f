"""Policies that decide without an engine: experts, scripts and random play."""

from __future__ import annotations

import random
import re
from typing import Any

from anchorgym.agents.engines.contract import Generation, new_key
from anchorgym.agents.policies.base import Decision, Prompt, Session, View
from anchorgym.envs import ExpertKind, TextEnv
from anchorgym.envs.errors import ContractError
from anchorgym.envs.texts import require_text, well_formed

_SLOT = re.compile(r"<[^<>]*>")
_WORDS = 3
"""Number of words with which random play fills a slot."""


class ScriptedPolicy:
    """Base class of policies that decide without an engine."""

    max_response = 1

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
        self.key = new_key("script")
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
    """Plays the actions of the environment's own expert."""

    def __init__(self, kind: ExpertKind = "honest") -> None:
        self.kind: ExpertKind = kind

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Ask the environment's expert."""
        return require_text(env.expert_action(self.kind), "expert's action", env)

    def choose_for(self, agent: str, env: Any, observation: str, view: View) -> str:
        """Ask the environment's expert, in a multi-agent world the expert of this agent."""
        if isinstance(env, TextEnv):
            return self.choose(env, observation, view)
        return well_formed(str(env.expert_action(agent, self.kind)))


class ScriptPolicy(ScriptedPolicy):
    """Plays named scripts of the world, through its `scripted_action(agent, name)`.

    Args:
        names: names of the scripts; each agent draws one of them for each episode.
        seed: seed of that draw.
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
        """Ask the world for the script's action.

        Raises:
            ContractError: the world has no scripts.
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
        """Draw an admissible action; "" if there is none."""
        if not view.admissible_actions:
            return ""
        action = self._rng.choice(view.admissible_actions)
        return _SLOT.sub(lambda _: self._words(view.goal), action)

    def _words(self, goal: str) -> str:
        words = goal.split() or ["any"]
        return " ".join(self._rng.sample(words, min(_WORDS, len(words))))
