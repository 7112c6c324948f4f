"""Environments of one kind, kept between rollouts."""

from __future__ import annotations

from collections.abc import Callable

from anchorgym.envs import TextEnv, TextVectorEnv, make


class Worlds:
    """Environments of one kind, store between rollouts."""

    def __init__(self, env_id: str, **arguments: object) -> None:
        self._make: Callable[[], TextEnv] = lambda: make(env_id, **arguments)
        self._envs: list[TextEnv] = [self._make()]

    @property
    def first(self) -> TextEnv:
        """One of them, to ask about tasks."""
        return self._envs[0]

    def take(self, n: int) -> TextVectorEnv:
        """Return `n` environments as a vector."""
        while len(self._envs) < n:
            self._envs.append(self._make())
        return TextVectorEnv(self._envs[:n])
