"""The engine whose model is a table of logits."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from anchorgym.agents.engines.contract import (
    Capabilities,
    EngineError,
    Generation,
    Sampling,
    Stop,
    UnsupportedRequestError,
    WeightSource,
)
from anchorgym.agents.engines.seeding import uniform
from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.engines.weights import check_version, put_weights

_FIRST_ROWS = 64


class Table(torch.nn.Module):
    """A table of logits, one row a situation and one column an option.

    Rows and columns are added when a situation or an option is met for the first time.

    Attributes:
        logits: (n_rows, n_options); rows and columns that are not yet in use are zero.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(_FIRST_ROWS, 1))
        self.situations: dict[str, int] = {}
        self.options: dict[str, int] = {}

    def row(self, situation: str) -> int:
        """Return the row of a situation."""
        return self._place(self.situations, situation, 0)

    def option(self, name: str) -> int:
        """Return the column of an option."""
        return self._place(self.options, name, 1)

    def log_probabilities(self, row: int, options: Sequence[int]) -> Tensor:
        """Return log-probabilities of the open options in a row, (n_options,)."""
        return torch.log_softmax(self.logits[row, list(options)], -1)

    def _place(self, places: dict[str, int], name: str, axis: int) -> int:
        if name in places:
            return places[name]
        place = places[name] = len(places)
        size = list(self.logits.shape)
        if place >= size[axis]:
            size[axis] = max(2 * size[axis], place + 1)
            grown = self.logits.new_zeros(size)
            grown[: self.logits.shape[0], : self.logits.shape[1]] = self.logits.data
            self.logits.data = grown
        return place


class TableEngine:
    """Samples options from a table of logits in this process.

    The tokens of a request are the row of the situation, then the columns of the open options; the
    response is one of these columns. Earlier requests of a session have no influence, so they are
    not stored.

    Args:
        table: table whose logits are used in place.
    """

    capabilities = Capabilities(exact_logprobs=True)

    def __init__(self, table: Table) -> None:
        self.table = table
        self._version = 0
        self._sessions: dict[Hashable, tuple[int, ...]] = {}
        self._waiting: dict[Hashable, Sampling] = {}

    @property
    def version(self) -> int:
        """Version of the table; see `Engine.version`."""
        return self._version

    @property
    def waiting(self) -> int:
        """Number of open requests."""
        return len(self._waiting)

    def submit(
        self,
        session: Hashable,
        tokens: Sequence[int],
        sampling: Sampling,
        allowed: Trie | None = None,
    ) -> None:
        """Ask for an option; without tokens, ask again among those of the last request.

        Raises:
            EngineError: the request has no options, or the session has an open request.
            UnsupportedRequestError: the request is constrained, or wants an adaptive
                temperature or a part of the probability.
        """
        self._require_idle(session)
        if allowed is not None:
            raise UnsupportedRequestError(
                "constrained_decoding", "give it the options that are open, and no trie"
            )
        if sampling.adaptive is not None:
            raise UnsupportedRequestError(
                "per_token_temperature", "sample at one temperature, with adaptive=None"
            )
        if sampling.top_p < 1:
            raise UnsupportedRequestError("nucleus", "draw from all options, with top_p=1")
        asked = tuple(tokens) or self._sessions.get(session, ())
        if len(asked) < 2:
            raise EngineError(
                f"session {session!r} was given no options: a table reads a row and at least one"
            )
        self._sessions[session] = asked
        self._waiting[session] = sampling

    def poll(self, timeout: float | None = None) -> list[tuple[Hashable, Generation]]:
        """Answer every open request."""
        waiting, self._waiting = self._waiting, {}
        return [(key, self._choose(self._sessions[key], how)) for key, how in waiting.items()]

    def cancel(self, session: Hashable) -> None:
        """Drop the open request of a session."""
        self._waiting.pop(session, None)

    def append(self, session: Hashable, tokens: Sequence[int]) -> None:
        """Open a session, if it is new; the tokens have no influence.

        Raises:
            EngineError: the session has an open request.
        """
        self._require_idle(session)
        self._sessions.setdefault(session, ())

    def fork(self, session: Hashable, twin: Hashable, length: int | None = None) -> None:
        """Open a session beside another.

        Raises:
            EngineError: the session does not exist or has an open request, or the twin exists.
        """
        if session not in self._sessions or session in self._waiting:
            raise EngineError(f"session {session!r} is not open, or waits for a response")
        if twin in self._sessions:
            raise EngineError(f"session {twin!r} exists already")
        self._sessions[twin] = self._sessions[session]

    def shelve(self, session: Hashable) -> None:
        """Keep the session as it is.

        Raises:
            EngineError: the session has an open request.
        """
        self._require_idle(session)

    def free(self, session: Hashable) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)
        self._waiting.pop(session, None)

    def load_weights(self, source: WeightSource, version: int) -> None:
        """Take the tensor `logits`, of the table's present shape.

        Raises:
            StaleWeightsError: the engine has a newer version.
            WeightsError: these are not logits of the table.
        """
        check_version(self._version, version)
        put_weights(self.table, source)
        self._version = version

    def _require_idle(self, session: Hashable) -> None:
        if session in self._waiting:
            raise EngineError(f"session {session!r} already waits for a response")

    def _choose(self, tokens: tuple[int, ...], sampling: Sampling) -> Generation:
        row, *options = tokens
        logits = self.table.logits.data[row].tolist()
        scores = [logits[option] for option in options]
        top = max(scores)
        weights = [math.exp((score - top) / (sampling.temperature or 1.0)) for score in scores]
        reached = list(itertools.accumulate(weights))
        if sampling.temperature == 0:
            chosen = scores.index(top)
        else:
            # Rounding must not lead beyond the last option that has a probability.
            target = min(uniform(sampling.seed, 0) * reached[-1], math.nextafter(reached[-1], 0.0))
            chosen = bisect.bisect_right(reached, target)
        logprob = math.log(weights[chosen] / reached[-1])
        return Generation((options[chosen],), (logprob,), Stop.EOS, version=self._version)
