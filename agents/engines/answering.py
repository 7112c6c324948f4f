"""Helpers that submit requests to an engine and wait for all responses."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from anchorgym.agents.engines.contract import Engine, EngineError, Generation, Sampling, new_key
from anchorgym.agents.engines.trie import Trie


class Request(NamedTuple):
    """The arguments of one `Engine.submit`."""

    session: Hashable
    tokens: Sequence[int]
    sampling: Sampling
    allowed: Trie | None = None


def answer_all(engine: Engine, requests: Iterable[Request]) -> dict[Hashable, Generation]:
    """Submit requests and wait until all are answered; return the responses by session.

    If anything goes wrong, requests that are still open are cancelled.

    Args:
        engine: engine without other open requests.
        requests: requests, taken lazily: each after the previous one was submitted.

    Raises:
        EngineError: a request cannot be answered.
    """
    asked: set[Hashable] = set()
    answers: dict[Hashable, Generation] = {}
    try:
        for request in requests:
            engine.submit(*request)
            asked.add(request.session)
        while missing := asked - answers.keys():
            if not engine.waiting:
                raise EngineError(f"{len(missing)} requests were dropped before they were answered")
            answers.update(engine.poll())
    finally:
        for session in asked - answers.keys():
            engine.cancel(session)
    return answers


def answer_apart(
    engine: Engine, prompts: Sequence[tuple[Sequence[int], Sampling]], user: str
) -> list[Generation]:
    """Answer each prompt in a session of its own, and free the sessions; return the responses.

    Args:
        engine: engine that samples the responses.
        prompts: (n,) whole prompts, each with its sampling settings.
        user: name of the caller in session keys, see `new_key`.
    """
    keys = [new_key(user) for _ in prompts]
    try:
        answers = answer_all(
            engine,
            [Request(key, *prompt) for key, prompt in zip(keys, prompts, strict=True)],
        )
        return [answers[key] for key in keys]
    finally:
        for key in keys:
            engine.free(key)
