"""Drivers: how the sessions of a batch get their responses from an engine."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from anchorgym.agents.engines.contract import Engine, Generation, Sampling
from anchorgym.agents.policies.base import Prompt


def answer_in_step(
    engine: Engine, prompts: Iterable[tuple[Hashable, Prompt]], sampling: Sampling
) -> dict[Hashable, Generation]:
    """Submit every session's prompt, and poll until all are answered: the lock-step driver.

    A response that is given is read, as one that was certain, and not sampled.
    """
    answers: dict[Hashable, Generation] = {}
    for key, prompt in prompts:
        if prompt.restart:
            engine.free(key)
        if prompt.given:
            engine.append(key, (*prompt.tokens, *prompt.given))
            n, at = len(prompt.given), sampling.temperature
            temperatures = () if sampling.adaptive is None else (at,) * n
            answers[key] = Generation(prompt.given, (0.0,) * n, "eos", temperatures=temperatures)
        else:
            engine.submit(key, prompt.tokens, sampling, prompt.allowed)
    while ready := engine.poll():
        answers.update(ready)
    return answers
