"""Environments of one kind, kept between rollouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from anchorgym.envs import TextEnv, make

Env = TypeVar("Env")


class EnvPool(Generic[Env]):
    """Environments of one kind, of one agent or of several, kept between rollouts.

    Args:
        make: makes one; it is called when more are needed at a time than there are.
    """

    def __init__(self, make: Callable[[], Env]) -> None:
        self._make = make
        self._envs: list[Env] = [make()]

    @staticmethod
    def of(env_id: str, **arguments: Any) -> EnvPool[TextEnv]:
        """Return a pool of the registered environment of one agent that has this id.

        Args:
            env_id: `namespace/Name-vN`, or `module:namespace/Name-vN`.
            arguments: of the environment.

        Raises:
            AnchorgymError: there is none, or it does not take these arguments.
        """
        return EnvPool(lambda: make(env_id, **arguments))

    @property
    def first(self) -> Env:
        """One of them, to ask about tasks and agents."""
        return self._envs[0]

    def take(self, n: int) -> list[Env]:
        """Return `n` environments, always the same first ones."""
        while len(self._envs) < n:
            self._envs.append(self._make())
        return self._envs[:n]
