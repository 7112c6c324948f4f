"""An engine that answers late, as one behind a network does, and that can do less than others."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from anchorgym.agents import Sampling, Trie
from anchorgym.agents.engines import (
    Capabilities,
    Generation,
    ServedModel,
    UnsupportedRequestError,
    WeightSource,
)
from anchorgym.agents.engines.torch_engine import TorchEngine, TorchFactory


class RemoteEngine:
    """An engine behind a slow line: another thread answers, a while after it was asked.

    Args:
        engine: writes.
        delay: seconds until a response is there.
    """

    capabilities = Capabilities()

    def __init__(self, engine: TorchEngine, delay: float = 0.02) -> None:
        self.engine, self.delay = engine, delay
        self.lock, self.arrived = threading.Lock(), threading.Condition()
        # One thread for all answers: torch takes long to be used in a thread for the first time.
        self.line = ThreadPoolExecutor(1)
        self.open: set[Hashable] = set()
        self.ready: list[tuple[Hashable, Generation]] = []
        self.problem: Exception | None = None

    @property
    def version(self) -> int:
        return self.engine.version

    @property
    def waiting(self) -> int:
        return len(self.open)

    def submit(
        self,
        session: Hashable,
        tokens: Sequence[int],
        sampling: Sampling,
        allowed: Trie | None = None,
    ) -> None:
        if allowed is not None:
            raise UnsupportedRequestError("constrained_decoding", "leave it free")
        if sampling.adaptive is not None:
            raise UnsupportedRequestError("per_token_temperature", "sample at one temperature")
        if sampling.top_p < 1:
            raise UnsupportedRequestError("nucleus", "draw from all tokens")
        with self.lock:
            self.engine.submit(session, tokens, sampling)
        self.open.add(session)
        self.line.submit(self._answer)

    def _answer(self) -> None:
        if not self.engine.waiting:  # answered together with an earlier one
            return
        time.sleep(self.delay)
        try:
            with self.lock:
                answers = self.engine.poll()
        except Exception as error:  # which a thread would keep for itself
            self.problem, answers = error, []
        with self.arrived:
            self.ready += answers
            self.arrived.notify()

    def poll(self, timeout: float | None = None) -> list[tuple[Hashable, Generation]]:
        if not self.open:
            return []
        with self.arrived:
            self.arrived.wait_for(lambda: self.ready or self.problem, timeout)
            ready, self.ready = self.ready, []
        if self.problem is not None:
            raise self.problem
        ready = [(key, generation) for key, generation in ready if key in self.open]
        self.open -= {key for key, _ in ready}
        return ready

    def cancel(self, session: Hashable) -> None:
        self.open.discard(session)
        with self.lock:
            self.engine.cancel(session)

    def append(self, session: Hashable, tokens: Sequence[int]) -> None:
        with self.lock:
            self.engine.append(session, tokens)

    def fork(self, session: Hashable, twin: Hashable, length: int | None = None) -> None:
        with self.lock:
            self.engine.fork(session, twin, length)

    def shelve(self, session: Hashable) -> None:
        with self.lock:
            self.engine.shelve(session)

    def free(self, session: Hashable) -> None:
        self.open.discard(session)
        with self.lock:
            self.engine.free(session)

    def load_weights(self, source: WeightSource, version: int) -> None:
        with self.lock:
            self.engine.load_weights(source, version)


@dataclass(frozen=True)
class RemoteFactory:
    """Makes engines that answer late.

    Args:
        delay: seconds until a response is there.
    """

    delay: float = 0.02

    @property
    def capabilities(self) -> Capabilities:
        return RemoteEngine.capabilities

    def make(self, served: ServedModel) -> RemoteEngine:
        assert served.folder is not None
        return RemoteEngine(TorchFactory().make(served), self.delay)
