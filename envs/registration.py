"""Registering environments and making them by id."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import gymnasium as gym
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from anchorgym.envs.core import TextEnv
from anchorgym.envs.errors import ContractError, OptionError, UnknownEnvError, did_you_mean

E = TypeVar("E", bound=type[Any])


def register(env_id: str, **kwargs: Any) -> Callable[[E], E]:
    """Register the decorated class with Gymnasium as `namespace/Name-vN`.

    Keyword arguments are the environment's defaults:

        @register("me/KeyDoor-v0", max_turns=20)
        class KeyDoor(TextEnv): ...
    """

    def decorate(cls: E) -> E:
        gym.register(env_id, entry_point=cast(Any, cls), kwargs=kwargs)
        return cls

    return decorate


def make(env_id: str, **kwargs: Any) -> TextEnv:
    """Make a registered text environment without the wrappers that Gymnasium adds.

    Args:
        env_id: `namespace/Name-vN`, or `module:namespace/Name-vN` to import `module` first.

    Raises:
        UnknownEnvError: nobody registered that id, or its module cannot be imported.
        OptionError: it does not take these arguments.
        ContractError: it is no `TextEnv`, or is registered with wrappers.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UnknownEnvError(
                f"cannot import {module!r} for environment {env_id!r}: {error}"
            ) from error
    if name not in gym.registry:
        ours = sorted(key for key in gym.registry if "/" in key)
        raise UnknownEnvError(
            f"unknown environment {name!r}.{did_you_mean(name, ours)} Registered: "
            f"{', '.join(ours)}. Write 'module:{name}' if a module of yours registers it."
        )
    try:
        env: gym.Env[Any, Any] = gym.make(name, disable_env_checker=True, **kwargs)
    except TypeError as error:
        raise OptionError(f"cannot make {name}: {error}") from error
    while isinstance(env, OrderEnforcing | PassiveEnvChecker):
        env = env.env
    if not isinstance(env, TextEnv):
        raise ContractError(
            f"{env_id} makes a {type(env).__name__}, but a TextEnv is needed here: derive the "
            "class from anchorgym.envs.TextEnv, and register it without wrappers"
        )
    return env
