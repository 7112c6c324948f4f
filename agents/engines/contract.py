"""The contract of engines, which sample tokens from a language model."""

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
"""A folder of safetensors files, or tensors in this process by parameter name."""


class EngineError(AnchorgymError, ValueError):
    """A request that an engine cannot answer; base of the errors of engines."""


class UnsupportedRequestError(EngineError):
    """A request that goes beyond an engine's capabilities.

    Args:
        capability: name of the missing capability, a field of `Capabilities`.
        remedy: what the caller can do instead.
    """

    def __init__(self, capability: str, remedy: str) -> None:
        self.capability = capability
        super().__init__(f"this engine lacks the capability {capability!r}: {remedy}")


class WeightsError(EngineError):
    """Weights that do not belong to an engine's model, or that cannot be read."""


class StaleWeightsError(EngineError):
    """Weights of an older version than the engine's present ones."""


class Stop(StrEnum):
    """Why a response ended."""

    EOS = "eos"
    """The model wrote a token that ends a response, which is its last one."""
    LENGTH = "length"
    """The response was cut at `Sampling.max_tokens`."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sampling settings of a response.

    Args:
        max_tokens: longest response, in tokens; a longer one is cut.
        temperature: divisor of the logits; 0 takes the most likely token.
        adaptive: rule that sets each token's temperature, starting from `temperature`; None keeps
            one temperature. Engines need the capability `per_token_temperature` for it.
        seed: seed of the sampling noise. A response depends only on its seed, its prompt and the
            weights, not on other requests; `derived` gives each request of a call its own seed.
        top_p: share of the probability that the likeliest tokens have from which one is drawn; 1
            draws from all. Engines need the capability `nucleus` for less. What is drawn so cannot
            be trained on, as the learner knows nothing of the tokens that were left out.
        stop_ids: tokens that end this response, beside those that end all of the engine's.
    """

    max_tokens: int = 8
    temperature: float = 1.0
    adaptive: AdaptiveTemperature | None = None
    seed: int = 0
    top_p: float = 1.0
    stop_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise EngineError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if not 0 <= self.temperature < float("inf"):
            raise EngineError(f"temperature must be finite and at least 0, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise EngineError(f"top_p must be above 0 and at most 1, got {self.top_p}")

    def derived(self, *parts: int | str) -> Sampling:
        """Return the same settings with a seed derived from the present one and from `parts`."""
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
    """For each token, the tokens that were allowed there; empty for unconstrained responses."""
    version: int = 0
    """Version of the weights that wrote the response, or its first token if they changed."""
    temperatures: tuple[float, ...] = ()
    """Temperature of each token; empty when all tokens had the requested one."""
    versions: tuple[int, ...] = ()
    """Version of the weights at each token; empty when `version` wrote all tokens."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The capabilities of an engine beyond sampling; a request that needs others is refused."""

    constrained_decoding: bool = False
    """Responses can be confined to the sequences of a `Trie`; log-probabilities are then
    normalized over the tokens that it allows."""
    per_token_temperature: bool = False
    """`Sampling.adaptive` can set the temperature of each token."""
    nucleus: bool = False
    """`Sampling.top_p` can be less than 1."""
    shared_forks: bool = False
    """A fork reuses the keys and values of its shared prefix; without this capability a fork
    still works, but its tokens are read again."""
    in_flight_updates: bool = False
    """`load_weights` takes effect within open responses, which then report a version for each
    token. Without this capability one version writes a whole response."""
    exact_logprobs: bool = False
    """Log-probabilities equal those of the model in this process up to the rounding of its data
    type. Without this capability the engine computes with other kernels or elsewhere, so that a
    learner has to measure the difference and correct for it."""
    trainable: bool = True
    """`load_weights` takes other weights than those that the engine has. Without this capability a
    policy can play and be evaluated, but not be trained."""
    seeded: bool = True
    """A response follows from `Sampling.seed`, its prompt and the weights. Without this capability
    the seed has no influence, and a run cannot be repeated."""


class SessionKey(NamedTuple):
    """A session key that is unique in this process."""

    user: str
    """Name of the code that opened the session, for error messages."""
    number: int
    """Running number of the key in this process."""


_numbers = itertools.count()


def new_key(user: str) -> SessionKey:
    """Return a new session key, unique in this process."""
    return SessionKey(user, next(_numbers))


class Engine(Protocol):
    """Appends tokens to sessions and samples responses.

    A session is a transcript of the tokens that it has read and written. Keys come from `new_key`,
    so that several policies can share an engine. A request is open from `submit` until `poll`
    returns its response, or `cancel` or `free` drops it.
    """

    @property
    def capabilities(self) -> Capabilities:
        """The engine's capabilities beyond sampling."""
        ...

    @property
    def version(self) -> int:
        """Version of the present weights; 0 at first."""
        ...

    @property
    def waiting(self) -> int:
        """Number of open requests.

        `while engine.waiting: engine.poll()` collects every response, whether the engine works in
        this process or elsewhere.
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

        With `allowed`, the response is one of its sequences: each token is drawn from the tokens
        that may come next, and its log-probability is normalized over these.

        Raises:
            EngineError: the session has no tokens to continue, would exceed the model's context,
                or has an open request.
            UnsupportedRequestError: the request goes beyond the engine's capabilities.
        """
        ...

    def poll(self, timeout: float | None = None) -> list[tuple[Hashable, Generation]]:
        """Return the responses that are ready, each once; each becomes part of its session.

        An engine in this process computes responses now; other engines wait until one is ready. An
        empty list means that none came in time, or that no request is open.

        Args:
            timeout: longest wait, in seconds; None waits until there is a response.

        Raises:
            EngineError: a request cannot be answered any more; it is no longer open.
        """
        ...

    def cancel(self, session: Hashable) -> None:
        """Drop the open request of a session; without one, do nothing.

        The session stays open and keeps its prompt: `submit` without tokens asks again.
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
            session: key of an open session.
            twin: a new key.
            length: number of first tokens that the twin takes over; all by default.

        Raises:
            EngineError: the session does not exist, has an open request or fewer tokens, or the
                twin exists.
        """
        ...

    def shelve(self, session: Hashable) -> None:
        """Set a session aside that will only be forked; unknown keys are ignored.

        Raises:
            EngineError: the session has an open request.
        """
        ...

    def free(self, session: Hashable) -> None:
        """Forget a session and its open request; unknown keys are ignored."""
        ...

    def load_weights(self, source: WeightSource, version: int) -> None:
        """Replace the weights, and drop caches that older weights have computed.

        Open sessions are read again at their next request. Tensors that are the engine's own
        parameters are shared; other tensors are copied into the parameters.

        Args:
            source: every parameter of the model; tied parameters may be given once.
            version: version of these weights; the present version only drops the caches.

        Raises:
            StaleWeightsError: the engine has a newer version.
            WeightsError: the source cannot be read, or a tensor is missing, unknown or of another
                shape. The engine keeps its present weights.
        """
        ...
