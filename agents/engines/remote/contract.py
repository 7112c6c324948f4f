"""The contract of backends, which sample tokens outside of the model in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from anchorgym.agents.engines.contract import EngineError, Sampling, WeightsError

if TYPE_CHECKING:
    from torch import Tensor


class EngineUnavailableError(EngineError):
    """A backend that does not answer, or not in time.

    Sessions keep what they have read and written, so that a request can be made again.
    """


class BadAnswerError(EngineError):
    """An answer that no response can be made of, such as one that is cut or not finite."""


class WrongWeightsError(BadAnswerError):
    """An answer of other weights than those that were asked."""


class RefusedRequestError(EngineError):
    """A request that a backend refuses, such as one without the right token."""


class MissingRouteError(RefusedRequestError):
    """A route, a model or an adapter that a server does not have."""


class UnsafeAddressError(EngineError):
    """An address at which weights are not published, as anybody could do so there."""


class UnverifiedWeightsError(WeightsError):
    """Weights that were published, but by which the backend does not compute."""


class AdaptersError(WeightsError):
    """Adapters that a backend does not serve, or a model that has none to serve."""


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """Adapters as they are saved in the format of peft."""

    config: Mapping[str, Any]
    """Configuration of peft, as JSON values."""
    weights: Mapping[str, Tensor]
    """Matrices A and B by parameter name."""


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt at a request."""

    id: str
    """Unique among all attempts at all requests, on every machine."""
    prompt: tuple[int, ...]
    """The whole context, (n_tokens,)."""
    sampling: Sampling
    ends: tuple[int, ...]
    """Tokens that end the response."""
    weights: str
    """Label of the weights that are to write the response."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a backend has written, as it came."""

    tokens: Sequence[int]
    logprobs: Sequence[float]
    weights: tuple[str, ...] = ()
    """Labels of the weights that wrote it, in order."""


class Backend(Protocol):
    """Answers orders, scores texts and takes weights.

    It has one set of weights at a time, which is known by its label; or a base model of fixed
    weights with several adapters, of which orders name one by its label.
    """

    @property
    def limit(self) -> int | None:
        """Largest number of tokens of a context with its response; None if it is not known."""
        ...

    @property
    def takes_weights(self) -> bool:
        """Whether `publish` can be called; the weights are fixed otherwise."""
        ...

    def begin(self, order: Order) -> None:
        """Begin to answer an order, which `collect` returns later."""
        ...

    def collect(self, timeout: float | None) -> list[tuple[str, Answer | EngineError]]:
        """Return the answers that have come, by the ids of their orders; wait for at least one.

        Args:
            timeout: longest wait, in seconds; None waits until there is one.
        """
        ...

    def abort(self, order: str) -> None:
        """Drop an order; its answer may still come, or not."""
        ...

    def score(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the log-probability of each token but the first, at temperature 1.

        The weights that were published last score the texts.

        Raises:
            EngineError: the backend did not answer, or not that.
        """
        ...

    def publish(self, tensors: Mapping[str, Tensor], label: str) -> None:
        """Replace the weights, and drop what older ones have computed.

        Args:
            tensors: all parameters by name, in the form of a saved model.
            label: label of these weights.

        Raises:
            EngineError: the weights may have been replaced or not.
        """
        ...

    def publish_adapters(self, adapters: AdapterFiles, label: str) -> None:
        """Load adapters, beside those that are loaded already.

        Args:
            adapters: adapters of the base model that the backend was started with.
            label: label of these adapters, which names no others.

        Raises:
            AdaptersError: the backend does not serve them.
            EngineError: the adapters may have been loaded or not.
        """
        ...

    def drop(self, label: str) -> None:
        """Unload adapters, once no order is open that names them."""
        ...

    def weights(self) -> frozenset[str]:
        """Return the labels of the present weights.

        Raises:
            EngineError: the backend did not answer.
        """
        ...

    def revive(self) -> bool:
        """Wait until the backend answers; return whether it had to be waited for.

        Raises:
            EngineUnavailableError: it did not come back in time.
        """
        ...

    def rest(self) -> None:
        """Give up memory that is not needed until the next order or publication."""
        ...
