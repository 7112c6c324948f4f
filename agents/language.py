"""Language policies: template + engine + transcript."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from anchorgym.agents.engine import TorchEngine
from anchorgym.agents.policy import Generation, View
from anchorgym.agents.template import TinyTemplate
from anchorgym.envs import TextEnv


class LanguagePolicy:
    """A policy that writes its actions with a language model.

    Args:
        template: turns into tokens, responses into actions.
        engine: samples the responses.
        max_context: an episode whose transcript would grow beyond so many tokens is cut.
        max_response: longest response, in tokens.
    """

    def __init__(
        self, template: TinyTemplate, engine: TorchEngine, *, max_context: int, max_response: int
    ) -> None:
        self.template = template
        self._engine = engine
        self.max_context = max_context
        self.max_response = max_response
        self._ids = itertools.count()

    @property
    def engine(self) -> TorchEngine:
        """The engine that writes the responses."""
        return self._engine

    def open(self, env: TextEnv, agent: str = "agent") -> LanguageSession:
        """Begin an episode with an empty transcript."""
        return LanguageSession(self, next(self._ids))


class LanguageSession:
    """The transcript of one episode, append-only: token in, token out."""

    def __init__(self, policy: LanguagePolicy, key: int) -> None:
        self.key = key
        self._policy = policy
        self._length = 0
        self._unclosed = False

    def prompt(self, observation: str, view: View) -> Sequence[int] | None:
        """Return what the new turn appends, or None when the context is full."""
        tokens = self._policy.template.turn(observation, view)
        if self._unclosed:  # the last response was cut: close it with a token nobody sampled
            tokens.insert(0, self._policy.template.eos_id)
        if self._length + len(tokens) + self._policy.max_response > self._policy.max_context:
            return None
        self._length += len(tokens)
        return tokens

    def decide(self, generation: Generation | None) -> str:
        """Take the response into the transcript and return the action it means."""
        if generation is None:
            raise TypeError("a language session decides from what its engine wrote")
        self._length += len(generation.tokens)
        self._unclosed = generation.stop == "length"
        return self._policy.template.parse(generation.tokens)

    def close(self) -> None:
        """Free the engine's memory of this transcript."""
        self._policy.engine.free(self.key)
