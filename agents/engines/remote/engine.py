"""The engine of a model elsewhere: sessions are transcripts here, responses come from a backend."""

from __future__ import annotations

import itertools
import secrets
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from anchorgym.agents.engines.contract import (
    Capabilities,
    EngineError,
    Generation,
    Sampling,
    UnsupportedRequestError,
    WeightSource,
)
from anchorgym.agents.engines.factories import ServedModel
from anchorgym.agents.engines.forward import position_limit
from anchorgym.agents.engines.remote.contract import (
    Answer,
    BadAnswerError,
    EngineUnavailableError,
    Order,
    RefusedRequestError,
    WrongWeightsError,
)
from anchorgym.agents.engines.remote.publishing import Publisher
from anchorgym.agents.engines.remote.reading import read_answer
from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.engines.weights import check_version, put_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_FIRST_PAUSE: Final = 0.1
"""Seconds until a request is made a second time; doubled for each further attempt."""
_LONGEST_PAUSE: Final = 10.0


@dataclass(slots=True)
class _Open:
    """An open request."""

    session: Hashable
    sampling: Sampling
    version: int = 0
    order: Order | None = None
    """The present attempt; None while the next one is waited for."""
    again: float = 0.0
    """Time of the next attempt, by the monotonic clock."""
    failed: int = 0
    """Number of attempts that failed."""


@dataclass(slots=True)
class _Sessions:
    """Transcripts and open requests."""

    transcripts: dict[Hashable, list[int]] = field(default_factory=dict)
    waiting: dict[Hashable, _Open] = field(default_factory=dict)
    orders: dict[str, _Open] = field(default_factory=dict)
    ready: list[tuple[Hashable, Generation]] = field(default_factory=list)


class RemoteEngine:
    """Samples from a backend that has the weights of a model in this process.

    A request that fails is made again, in the same words and under a new id; only one answer is
    ever taken, and answers to requests that were dropped are not. A backend that has died is waited
    for, and gets its weights again.

    Args:
        publisher: publisher of weights to the backend.
        served: the model whose weights the backend gets; they are those at the first request, and
            from then on those of `load_weights`.
        capabilities: the engine's capabilities beyond sampling.
        attempts: most attempts at a request that the backend does not answer as it should.

    Attributes:
        counts: number of events by name: `retries`, `bad_answers`, `late_answers`, `republished`.
            A run writes them among its metrics as `engine_retries` and so on.
    """

    def __init__(
        self,
        publisher: Publisher,
        served: ServedModel,
        *,
        capabilities: Capabilities,
        attempts: int = 4,
    ) -> None:
        self.capabilities = capabilities
        self.model: PreTrainedModel = served.model
        self.eos_ids = served.eos_ids
        self.counts: Counter[str] = Counter()
        self._publisher, self._backend = publisher, publisher.backend
        self._attempts = attempts
        self._name = secrets.token_hex(6)  # among all programs that use the backend
        self._numbers = itertools.count()
        self._version = self._again = 0
        self._sessions = _Sessions()

    @property
    def version(self) -> int:
        """Version of the weights; see `Engine.version`."""
        return self._version

    @property
    def waiting(self) -> int:
        """Number of open requests."""
        return len(self._sessions.waiting) + len(self._sessions.ready)

    def submit(
        self,
        session: Hashable,
        tokens: Sequence[int],
        sampling: Sampling,
        allowed: Trie | None = None,
    ) -> None:
        """Append tokens to a session and ask for a response; see `Engine.submit`.

        Raises:
            EngineError: the session has no tokens to continue, would exceed the context, or has an
                open request; or the backend cannot be reached or does not take the weights.
            UnsupportedRequestError: the request is constrained, or wants an adaptive temperature.
        """
        self._require_idle(session)
        self._require_possible(session, tokens, sampling, allowed)
        self._publish()
        here = self._sessions
        here.transcripts.setdefault(session, []).extend(tokens)
        request = here.waiting[session] = _Open(session, sampling)
        self._begin(request)

    def poll(self, timeout: float | None = None) -> list[tuple[Hashable, Generation]]:
        """Wait for responses; see `Engine.poll`.

        Raises:
            EngineUnavailableError: the backend did not answer in time, nor come back.
            BadAnswerError: it has given no usable answer to a request in all attempts.
            RefusedRequestError: it has refused a request.
            UnverifiedWeightsError: it came back, but does not compute with the weights.
        """
        here = self._sessions
        deadline = None if timeout is None else time.monotonic() + timeout
        while here.waiting and not here.ready:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                self._begin_due()
                arrived = self._backend.collect(self._pause(left))
            except EngineError:
                self._close_all()
                raise
            self._take(arrived)
            if left == 0.0:
                break
        ready, here.ready = here.ready, []
        for session, written in ready:
            here.transcripts[session].extend(written.tokens)
        return ready

    def cancel(self, session: Hashable) -> None:
        """Drop the open request of a session, and keep its prompt."""
        here = self._sessions
        here.ready = [(key, answer) for key, answer in here.ready if key != session]
        request = here.waiting.pop(session, None)
        if request is not None:
            self._abort(request)

    def append(self, session: Hashable, tokens: Sequence[int]) -> None:
        """Append tokens to a session; see `Engine.append`.

        Raises:
            EngineError: the session has an open request.
        """
        self._require_idle(session)
        self._sessions.transcripts.setdefault(session, []).extend(tokens)

    def fork(self, session: Hashable, twin: Hashable, length: int | None = None) -> None:
        """Open a session with the transcript of another; see `Engine.fork`.

        Raises:
            EngineError: there is no such session, it has an open request, it is shorter than
                `length`, or the twin exists.
        """
        transcripts = self._sessions.transcripts
        self._require_idle(session)
        if session not in transcripts:
            raise EngineError(f"session {session!r} is not open")
        if twin in transcripts:
            raise EngineError(f"session {twin!r} exists already")
        known = transcripts[session]
        length = len(known) if length is None else length
        if not 0 <= length <= len(known):
            raise EngineError(f"session {session!r} has {len(known)} tokens, not {length}")
        transcripts[twin] = known[:length]

    def shelve(self, session: Hashable) -> None:
        """Keep a session as it is: the backend's cache forgets by itself.

        Raises:
            EngineError: the session has an open request.
        """
        self._require_idle(session)

    def free(self, session: Hashable) -> None:
        """Forget a session; the backend rests once there is none."""
        self.cancel(session)
        known = self._sessions.transcripts.pop(session, None)
        if known is not None and not self._sessions.transcripts:
            self._backend.rest()

    def load_weights(self, source: WeightSource, version: int) -> None:
        """Replace the weights here and at the backend, and check that it computes with them.

        Open requests are made again, so that one version writes a whole response.

        Raises:
            StaleWeightsError: the engine has a newer version.
            WeightsError: these are not weights of the model, or the backend takes none.
            UnverifiedWeightsError: the backend does not compute with them.
            EngineUnavailableError: the backend cannot be reached. The weights are published when it
                is next asked.
        """
        check_version(self._version, version)
        self._publisher.require_taking()
        put_weights(self.model, source)
        self._again += version == self._version  # a label names no other weights
        self._version = version
        for request in self._sessions.waiting.values():
            self._abort(request)
        self._publish()

    @property
    def _label(self) -> str:
        again = f"{self._again}-" if self._again else ""
        return f"{self._name}-{again}{self._version}"

    def _require_idle(self, session: Hashable) -> None:
        ready = any(key == session for key, _ in self._sessions.ready)
        if session in self._sessions.waiting or ready:
            raise EngineError(f"session {session!r} already waits for a response")

    def _require_possible(
        self,
        session: Hashable,
        tokens: Sequence[int],
        sampling: Sampling,
        allowed: Trie | None,
    ) -> None:
        if allowed is not None:
            raise UnsupportedRequestError(
                "constrained_decoding", "leave the response free, or take the engine torch"
            )
        if sampling.adaptive is not None:
            raise UnsupportedRequestError(
                "per_token_temperature", "sample at one temperature, or take the engine torch"
            )
        before = len(self._sessions.transcripts.get(session, ()))
        if not before and not tokens:
            raise EngineError(f"session {session!r} was given no tokens to go on from")
        length = before + len(tokens) + sampling.max_tokens
        limits = (position_limit(self.model.config), self._backend.limit)
        limit = min((number for number in limits if number is not None), default=length)
        if length > limit:
            raise EngineError(
                f"{length} tokens with the response, but the engine has positions for {limit}"
            )

    def _begin(self, request: _Open) -> None:
        """Make an attempt at a request."""
        sampling = request.sampling
        order = Order(
            f"{self._name}-{next(self._numbers)}",
            tuple(self._sessions.transcripts[request.session]),
            sampling,
            (*self.eos_ids, *sampling.stop_ids),
            self._label,
        )
        request.order, request.version = order, self._version
        self._sessions.orders[order.id] = request
        self._backend.begin(order)

    def _begin_due(self) -> None:
        """Make the attempts whose time has come."""
        due = [r for r in self._sessions.waiting.values() if r.order is None]
        if due:
            self._publish()
        for request in due:
            if request.again <= time.monotonic():
                self._begin(request)

    def _pause(self, left: float | None) -> float | None:
        """Return how long answers can be waited for, in seconds."""
        waiting = [r.again for r in self._sessions.waiting.values() if r.order is None]
        if not waiting:
            return left
        until = max(0.0, min(waiting) - time.monotonic())
        return until if left is None else min(until, left)

    def _close_all(self) -> None:
        """Drop all open requests, as none can be answered."""
        for session in list(self._sessions.waiting):
            self._abort(self._sessions.waiting.pop(session))

    def _abort(self, request: _Open) -> None:
        if request.order is not None:
            self._sessions.orders.pop(request.order.id, None)
            self._backend.abort(request.order.id)
        request.order = None

    def _take(self, arrived: Sequence[tuple[str, Answer | EngineError]]) -> None:
        """Make responses of answers; raise the first error that ends a request."""
        failed: list[tuple[_Open, EngineError]] = []
        for number, answer in arrived:
            request = self._sessions.orders.pop(number, None)
            if request is None or request.order is None:
                self.counts["late_answers"] += 1
                continue
            try:
                written = self._read(request, answer)
            except EngineError as error:
                request.order = None
                failed.append((request, error))
                continue
            del self._sessions.waiting[request.session]
            self._sessions.ready.append((request.session, written))
        ending = [last for request, error in failed if (last := self._failed(request, error))]
        if ending:
            raise ending[0]

    def _read(self, request: _Open, answer: Answer | EngineError) -> Generation:
        if isinstance(answer, EngineError):
            raise answer
        assert request.order is not None
        n_tokens = self.model.config.vocab_size
        return read_answer(answer, request.order, n_tokens, request.version)

    def _failed(self, request: _Open, error: EngineError) -> EngineError | None:
        """Have a request made again; return the error of one that is closed instead."""
        if self._sessions.waiting.get(request.session) is not request:
            return None
        try:
            waited = self._recover(error)
        except EngineError as last:  # nobody else can be answered either
            self._close_all()
            return last
        self.counts["bad_answers"] += isinstance(error, BadAnswerError)
        request.failed += not waited
        if isinstance(error, RefusedRequestError) or request.failed >= self._attempts:
            del self._sessions.waiting[request.session]
            return error
        self.counts["retries"] += 1
        pause = 0.0 if waited else _FIRST_PAUSE * 2.0 ** (request.failed - 1)
        request.again = time.monotonic() + min(_LONGEST_PAUSE, pause)
        return None

    def _recover(self, error: EngineError) -> bool:
        """See to it that the backend lives and has the weights; return whether it was dead."""
        if not isinstance(error, (EngineUnavailableError, WrongWeightsError)):
            return False
        waited = self._backend.revive()
        lost = self._publisher.lost()
        if waited or lost:
            for request in self._sessions.waiting.values():
                self._abort(request)
            self.counts["republished"] += lost
            self._publish()
        return waited

    def _publish(self) -> None:
        """See to it that the backend has the weights; wait for it once if it is not well."""
        try:
            self._publisher.ensure(self.model, self._label)
        except (EngineUnavailableError, BadAnswerError):
            self._backend.revive()
            self._publisher.ensure(self.model, self._label)
