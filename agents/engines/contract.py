"""The contract of engines: who writes tokens."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from anchorgym.agents.engines.seeding import mix_seed
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.engines.trie import Trie
from anchorgym.envs.errors import AnchorgymError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

WeightSource: TypeAlias = "Path | Mapping[str, Tensor]"
"""A folder of safetensors files, or tensors of this process by the name of the parameter."""


class EngineError(AnchorgymError, ValueError):
    """A request that an engine cannot answer; base of the errors of engines."""


class UnsupportedRequestError(EngineError):
    """A request that goes beyond an engine's capabilities.

    Args:
        capability: the name of the missing one in `Capabilities`.
        remedy: what the caller can do instead.
    """

    def __init__(self, capability: str, remedy: str) -> None:
        self.capability = capability
        super().__init__(f"this engine lacks the capability {capability!r}: {remedy}")


class WeightsError(EngineError):
    """Weights that do not belong to an engine's model, or that cannot be read."""


class StaleWeightsError(EngineError):
    """Weights of an older version than those that the engine has."""


class Stop(StrEnum):
    """Why a response ended."""

    EOS = "eos"
    """The model closed it with an end-of-turn token, which is the last token of the response."""
    LENGTH = "length"
    """It was cut at `Sampling.max_tokens`."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How responses are sampled.

    Args:
        max_tokens: longest response, in tokens; a longer one is cut.
        temperature: divides the logits; 0 takes the most likely token.
        adaptive: rule by which each token's temperature departs from `temperature`; None for one
            temperature throughout. Engines need the capability `per_token_temperature` for it.
        seed: of the noise. A response follows from its seed, its prompt and the weights, whatever
            else is sampled; requests of one call get seeds of their own by `derived`.
    """

    max_tokens: int = 8
    temperature: float = 1.0
    adaptive: AdaptiveTemperature | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise EngineError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if not 0 <= self.temperature < float("inf"):
            raise EngineError(f"temperature must be finite and at least 0, got {self.temperature}")

    def derived(self, *parts: int | str) -> Sampling:
        """Return the same with a seed that follows from this one's and from some parts."""
        return replace(self, seed=mix_seed(self.seed, *parts))


@dataclass(frozen=True, slots=True)
class Generation:
    """The response that an engine wrote to one request."""

    tokens: tuple[int, ...]
    """Token ids, the closing token included."""
    logprobs: tuple[float, ...]
    """Log-probability of each token, in nats, under the distribution it was sampled from; at
    temperature 0, under that of temperature 1."""
    stop: Stop
    """Why the response ended."""
    allowed: tuple[tuple[int, ...], ...] = ()
    """For each token, the tokens it was chosen among; empty when the response was free."""
    version: int = 0
    """Version of the weights that wrote the response; of the first token, if they changed in it."""
    temperatures: tuple[float, ...] = ()
    """Temperature of each token; empty when all had the one that was asked for."""
    versions: tuple[int, ...] = ()
    """Version of the weights at each token; empty when `version` wrote them all."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do beyond sampling; a request that needs more is refused."""

    constrained_decoding: bool = False
    """Responses can be confined to the sequences of a `Trie`, and log-probabilities are among
    the tokens that it allows."""
    per_token_temperature: bool = False
    """`Sampling.adaptive` can set the temperature of each token."""
    shared_forks: bool = False
    """A fork uses the keys and values of what both sessions have read; without this capability a
    fork works all the same, and reads everything again."""
    in_flight_updates: bool = False
    """`load_weights` takes effect within responses that are being written, which then tell the
    version of each token. Without this capability one version writes a whole response."""


class SessionKey(NamedTuple):
    """A key of one session that no other user of the engine in this process has."""

    user: str
    """What opened the session, for messages."""
    number: int
    """Counts all keys of the process."""


_numbers = itertools.count()


def new_key(user: str) -> SessionKey:
    """Return a session key that was never used before in this process."""
    return SessionKey(user, next(_numbers))


class Engine(Protocol):
    """Appends tokens to sessions and samples what follows.

    A session is a transcript: what it was given to read and what was written in it. Keys come from
    `new_key`, so that several policies can share an engine. A request is open from `submit` until
    `poll` returns its response, or `cancel` or `free` drops it.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do beyond sampling."""
        ...

    @property
    def version(self) -> int:
        """Version of the weights that answer requests from now on; 0 at first."""
        ...

    @property
    def waiting(self) -> int:
        """Number of open requests.

        `while engine.waiting: engine.poll()` collects all that was asked, whether the engine
        works in this process or elsewhere.
        """
        ...

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

        Raises:
            EngineError: the session has nothing to go on from, grows beyond what the model can
                read, or has an open request.
            UnsupportedRequestError: the request goes beyond the engine's capabilities.
        """
        ...

    def poll(self, timeout: float | None = None) -> list[tuple[Hashable, Generation]]:
        """Return the responses that are ready, each once; the session then has read its own.

        An engine in this process computes now and answers at once; others wait until something
        is ready. An empty list means that nothing came in time, or that no request is open.

        Args:
            timeout: seconds to wait at most; None waits until there is a response.

        Raises:
            EngineError: a request cannot be answered any more; it is no longer open.
        """
        ...

    def cancel(self, session: Hashable) -> None:
        """Drop the open request of a session; without one, do nothing.

        The session stays open, and what it was given to read stays read: `submit` without tokens
        asks again.
        """
        ...

    def append(self, session: Hashable, tokens: Sequence[int]) -> None:
        """Append tokens to a session (a new key opens one) without asking for a response.

        Raises:
            EngineError: the session has an open request.
        """
        ...

    def fork(self, session: Hashable, twin: Hashable, length: int | None = None) -> None:
        """Open the session `twin` with the transcript of `session`.

        Args:
            session: an open one.
            twin: a new key.
            length: how many of its first tokens the twin has; all by default.

        Raises:
            EngineError: there is no such session, it has an open request or fewer tokens, or the
                twin exists.
        """
        ...

    def shelve(self, session: Hashable) -> None:
        """Expect no further request of a session, but forks of it; unknown ones are ignored.

        Raises:
            EngineError: the session has an open request.
        """
        ...

    def free(self, session: Hashable) -> None:
        """Forget a session and its open request; unknown ones are ignored."""
        ...

    def load_weights(self, source: WeightSource, version: int) -> None:
        """Answer with other weights from now on, and drop what older ones have computed.

        Open sessions are read again when they go on. Tensors that are the engine's own parameters
        are shared, not copied; others are copied into these.

        Args:
            source: every parameter of the model; tied ones may be given once.
            version: of these weights; equal to the present one where only caches are to go.

        Raises:
            StaleWeightsError: the engine has a newer version.
            WeightsError: the source cannot be read, or a tensor is missing, unknown or of another
                shape. The engine goes on with the weights it has.
        """
        ...
