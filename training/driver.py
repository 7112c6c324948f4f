"""Drivers: how the sessions of a batch get their responses from an engine."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from anchorgym.agents.engine import Engine, Sampling
from anchorgym.agents.policy import Generation, Prompt


def answer_in_step(
    engine: Engine, prompts: Iterable[tuple[Hashable, Prompt]], sampling: Sampling
) -> dict[Hashable, Generation]:
    """Submit every session's prompt, and poll until all are answered: the lock-step driver."""
    for key, prompt in prompts:
        if prompt.restart:
            engine.free(key)
        engine.submit(key, prompt.tokens, sampling, prompt.allowed)
    answers: dict[Hashable, Generation] = {}
    while ready := engine.poll():
        answers.update(ready)
    return answers
