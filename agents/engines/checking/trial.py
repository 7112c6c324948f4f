"""An engine under test, with helpers that query it and compare its responses with the model."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from anchorgym.agents.engines.checking.subject import EngineSubject
from anchorgym.agents.engines.contract import EngineError, Generation, Sampling, new_key

GREEDY: Final = Sampling(4, temperature=0)


class Fault(NamedTuple):
    """One broken promise."""

    seen: str
    """The behaviour that was observed."""
    remedy: str
    """How to mend the engine."""


class SkippedError(Exception):
    """A check that does not apply to an engine; the message says why."""


class Trial:
    """The engine under test, with helpers that keep track of its sessions.

    Args:
        subject: engine to check, with the facts about its model.
        tolerance: largest difference of a log-probability, in nats.
        patience: longest wait for a response, in seconds.
    """

    def __init__(self, subject: EngineSubject, tolerance: float, patience: float) -> None:
        self.subject, self.engine = subject, subject.engine
        self.tolerance, self.patience = tolerance, patience
        self.weights = 0
        """Index of the engine's present weights in `EngineSubject.weights`."""
        self._keys: list[Hashable] = []

    def key(self) -> Hashable:
        """Return a new session key for a check."""
        self._keys.append(new_key("check"))
        return self._keys[-1]

    def clean(self) -> None:
        """Free all sessions of a check."""
        for key in self._keys:
            self.engine.free(key)
        self._keys.clear()

    def collect(self) -> dict[Hashable, Generation]:
        """Return the responses to all open requests.

        Raises:
            TimeoutError: no response came within `patience`.
        """
        answers: dict[Hashable, Generation] = {}
        deadline = time.monotonic() + self.patience
        while self.engine.waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no response in {self.patience:g} seconds")
            ready = self.engine.poll(left)
            if ready:
                deadline = time.monotonic() + self.patience
            answers.update(ready)
        return answers

    def ask(self, tokens: Sequence[int], sampling: Sampling = GREEDY) -> Generation:
        """Return the response to a prompt in a session of its own."""
        key = self.key()
        self.engine.submit(key, tokens, sampling)
        return self.collect()[key]

    def wrong(self, context: Sequence[int], generation: Generation, temperature: float) -> str:
        """Say where a response's log-probabilities differ from the model's; "" where they do not.

        Greedy responses are scored at temperature 1.
        """
        read = list(context)
        if len(generation.tokens) != len(generation.logprobs):
            return f"{len(generation.tokens)} tokens, {len(generation.logprobs)} log-probabilities"
        for n, (token, logprob) in enumerate(
            zip(generation.tokens, generation.logprobs, strict=True)
        ):
            heat = generation.temperatures[n] if generation.temperatures else temperature
            table = self.subject.distribution(self.weights, read, heat or 1.0)
            among = generation.allowed[n] if generation.allowed else range(len(table))
            truth = table[token] - _log_sum(table, among)
            if not abs(truth - logprob) <= self.tolerance:
                return f"log-probability {logprob:.4f} of token {n}, but the model's is {truth:.4f}"
            read.append(token)
        return ""

    @contextmanager
    def refusal(self, kind: type[EngineError], what: str) -> Iterator[list[Fault]]:
        """Yield a list that receives a fault unless the block raises an error of this kind."""
        faults: list[Fault] = []
        try:
            yield faults
        except kind:
            return
        faults.append(Fault(f"{what} was not refused", f"raise {kind.__name__}"))


def _log_sum(table: Sequence[float], among: Sequence[int]) -> float:
    """Return the log of the total probability of some tokens."""
    top = max(table[token] for token in among)
    return top + math.log(math.fsum(math.exp(table[token] - top) for token in among))
