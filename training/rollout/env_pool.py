"""Pools of environments, which are reused between rollouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from anchorgym.envs import TextEnv, make

Env = TypeVar("Env")


class EnvPool(Generic[Env]):
    """A pool of equal environments, single-agent or multi-agent, reused between rollouts.

    Args:
        make: constructor of an environment, called when the pool has too few.
    """

    def __init__(self, make: Callable[[], Env]) -> None:
        self._make = make
        self._envs: list[Env] = [make()]

    @staticmethod
    def of(env_id: str, **arguments: Any) -> EnvPool[TextEnv]:
        """Return a pool of a registered single-agent environment.

        Args:
            env_id: id, as `namespace/Name-vN` or `module:namespace/Name-vN`.
            arguments: keyword arguments of the environment.

        Raises:
            AnchorgymError: there is no such environment, or it does not take these arguments.
        """
        return EnvPool(lambda: make(env_id, **arguments))

    @property
    def first(self) -> Env:
        """The first environment of the pool, to query its tasks and agents."""
        return self._envs[0]

    def take(self, n: int) -> list[Env]:
        """Return `n` environments, always the same first ones."""
        while len(self._envs) < n:
            self._envs.append(self._make())
        return self._envs[:n]
