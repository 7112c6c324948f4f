"""Many text environments in one process, stepped with one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from anchorgym.envs.core import Info, TextEnv
from anchorgym.envs.errors import ContractError, OptionError
from anchorgym.envs.registration import bare, make

EnvSource = str | TextEnv | gym.Env[Any, Any] | Callable[[], gym.Env[Any, Any]]
Observations = tuple[str, ...]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


class TextVectorEnv(VectorEnv[Observations, Sequence[str | None], NDArray[Any]]):
    """Steps text environments together; nothing is copied, pickled or reset by itself.

    Observations are a tuple of strings. `infos["env"]` is the tuple of the environments' own
    info dictionaries. An environment whose action is None is left alone: its observation and
    info stay, its reward is 0. Finished episodes wait until `reset` names them in
    `options["reset_mask"]` (Gymnasium's `AutoresetMode.DISABLED`).

    Args:
        envs: environment ids to be made with `kwargs`, functions that make one, or environments.
            Environments that `gymnasium.make` made are taken without its wrappers.

    Raises:
        OptionError: no list of environments, or one instance twice.
        ContractError: no environment at all, or one that is no `TextEnv`.
    """

    def __init__(self, envs: Sequence[EnvSource], **kwargs: Any) -> None:
        if isinstance(envs, str | gym.Env) or callable(envs):
            given = repr(envs) if isinstance(envs, str) else "that"
            raise OptionError(f"give a list of environments, such as [{given}] * 4, for a vector")
        if not envs:
            raise ContractError("a vector needs at least one environment")
        self.envs: tuple[TextEnv, ...] = tuple(_as_env(env, kwargs) for env in envs)
        self.num_envs = len(self.envs)
        if len({id(env) for env in self.envs}) < self.num_envs:
            raise OptionError(
                "one environment is in the list twice: give an instance for each place, or a "
                "function (such as the class) that makes them"
            )
        first = self.envs[0]
        self.metadata = {**first.metadata, "autoreset_mode": AutoresetMode.DISABLED}
        self.single_observation_space = first.observation_space
        self.single_action_space = first.action_space
        self.observation_space = batch_space(first.observation_space, self.num_envs)
        self.action_space = batch_space(first.action_space, self.num_envs)
        self._observations = [""] * self.num_envs
        self._infos: list[Any] = [{}] * self.num_envs
        self._terminated = np.zeros(self.num_envs, dtype=np.bool_)
        self._truncated = np.zeros(self.num_envs, dtype=np.bool_)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: one for each environment; an int stands for seed, seed + 1, ….
            options: "tasks": a task id (or None) for each environment; "reset_mask": bool
                (n_envs,), the environments to reset (default: all).
        """
        options = dict(options or {})
        n = self.num_envs
        tasks = options.pop("tasks", None)
        tasks = [None] * n if tasks is None else tasks
        mask = np.asarray(options.pop("reset_mask", np.ones(n)), dtype=np.bool_)
        if options:
            raise OptionError(f"reset takes 'tasks' and 'reset_mask', got {sorted(options)}")
        seeds = _seeds(seed, n)
        if len(tasks) != n or mask.shape != (n,):
            raise OptionError(f"tasks and reset_mask need one entry for each of {n} environments")
        for i in np.flatnonzero(mask).tolist():
            start = {"task": tasks[i]} if tasks[i] is not None else None
            self._observations[i], self._infos[i] = self.envs[i].reset(seed=seeds[i], options=start)
        self._terminated[mask] = self._truncated[mask] = False
        return tuple(self._observations), {"env": tuple(self._infos)}

    def adopt(self, seen: Sequence[tuple[str, Info]]) -> tuple[Observations, dict[str, Any]]:
        """Go on from where each environment was put, by its own `reset` or `restore`.

        Args:
            seen: (n_envs,) the observation and info there.
        """
        if len(seen) != self.num_envs:
            raise OptionError(f"{len(seen)} beginnings for {self.num_envs} environments")
        self._observations = [observation for observation, _ in seen]
        self._infos = [info for _, info in seen]
        self._terminated[:] = self._truncated[:] = False
        return tuple(self._observations), {"env": tuple(self._infos)}

    def step(
        self, actions: Sequence[str | None]
    ) -> tuple[Observations, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Take one turn in every environment whose action is not None."""
        if isinstance(actions, str):
            raise OptionError("step takes a list of actions, one for each environment, not a str")
        if len(actions) != self.num_envs:
            raise OptionError(f"{len(actions)} actions for {self.num_envs} environments")
        rewards = [0.0] * self.num_envs
        terminated, truncated = self._terminated.tolist(), self._truncated.tolist()
        observations, infos = self._observations, self._infos
        for i, action in enumerate(actions):
            if action is not None:
                observations[i], rewards[i], terminated[i], truncated[i], infos[i] = self.envs[
                    i
                ].step(action)
        self._terminated, self._truncated = np.array(terminated), np.array(truncated)
        return (
            tuple(observations),
            np.array(rewards),
            self._terminated.copy(),
            self._truncated.copy(),
            {"env": tuple(infos)},
        )

    def close_extras(self, **kwargs: Any) -> None:
        """Close every environment."""
        for env in self.envs:
            env.close()


def _as_env(env: EnvSource, kwargs: dict[str, Any]) -> TextEnv:
    if isinstance(env, str):
        return make(env, **kwargs)
    if not isinstance(env, gym.Env) and callable(env):
        return bare(env(), f"{getattr(env, '__qualname__', 'a function')} makes")
    return bare(env, "the list holds")


def _seeds(seed: int | Sequence[int | None] | None, n: int) -> Sequence[int | None]:
    if seed is None:
        return [None] * n
    if isinstance(seed, int | np.integer):
        return range(int(seed), int(seed) + n)
    if len(seed) != n:
        raise OptionError(f"{len(seed)} seeds for {n} environments")
    return seed
