"""The contract of engines: who writes tokens."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.engines.trie import Trie
from anchorgym.envs.errors import AnchorgymError


class EngineError(AnchorgymError, ValueError):
    """A request that no engine can answer."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How responses are drawn.

    Args:
        max_tokens: a response is cut after so many tokens.
        temperature: divides the logits; 0 takes the most likely token.
        adaptive: how a token's temperature departs from that; None, not at all.
    """

    max_tokens: int = 8
    temperature: float = 1.0
    adaptive: AdaptiveTemperature | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise EngineError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if not 0 <= self.temperature < float("inf"):
            raise EngineError(f"temperature must be finite and at least 0, got {self.temperature}")


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


class Engine(Protocol):
    """Appends tokens to sessions and samples what follows."""

    def submit(
        self,
        session: Hashable,
        tokens: Sequence[int],
        sampling: Sampling,
        allowed: Trie | None = None,
    ) -> None:
        """Append `tokens` to a session (a new key opens one) and ask for a response.

        With `allowed`, the response is one of its sequences: each token is drawn among those that
        may come next, and its log-probability is that among them.
        """
        ...

    def poll(self) -> list[tuple[Hashable, Generation]]:
        """Return responses that are ready; empty when nothing is asked for any more."""
        ...

    def append(self, session: Hashable, tokens: Sequence[int]) -> None:
        """Append tokens to a session without asking for a response."""
        ...

    def fork(self, session: Hashable, twin: Hashable, length: int | None = None) -> None:
        """Open the session `twin` with what `session` has read and written.

        Args:
            session: an open one.
            twin: a new key.
            length: so many of its tokens, the first ones; all by default.
        """
        ...

    def shelve(self, session: Hashable) -> None:
        """Expect no further request of a session, but forks of it."""
        ...

    def free(self, session: Hashable) -> None:
        """Forget a session."""
        ...

    def load_weights(self, version: int) -> None:
        """Go on with the weights of `version`; caches of older ones are dropped."""
        ...
