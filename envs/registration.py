"""Registering environments and making them by id."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

import gymnasium as gym
import pettingzoo
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker
from pettingzoo import ParallelEnv

from anchorgym.envs.core import TextEnv
from anchorgym.envs.errors import ContractError, OptionError, UnknownEnvError, did_you_mean

E = TypeVar("E", bound=type[Any])


def register(env_id: str, **kwargs: Any) -> Callable[[E], E]:
    """Register the decorated class as `namespace/Name-vN`.

    A `ParallelEnv` is registered with PettingZoo, anything else with Gymnasium. Keyword
    arguments are the environment's defaults:

        @register("me/KeyDoor-v0", max_turns=20)
        class KeyDoor(TextEnv): ...
    """

    def decorate(cls: E) -> E:
        if issubclass(cls, ParallelEnv):
            pettingzoo.register("parallel", env_id, entry_point=cast(Any, cls), kwargs=kwargs)
            return cls
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
    name = _imported(env_id)
    if name not in gym.registry:
        hint = ""
        if name in pettingzoo.parallel_registry:
            hint = f" {name} is of several agents: make_parallel makes it."
        raise _unknown(name, _usable_ids(), hint)
    try:
        env: gym.Env[Any, Any] = gym.make(name, disable_env_checker=True, **kwargs)
    except TypeError as error:
        # Gymnasium appends the id and all arguments, which are known here.
        problem = str(error).partition(" was raised from the environment creator for ")[0]
        raise OptionError(f"cannot make {name}: {problem}") from error
    return bare(env, f"{env_id} makes")


def make_parallel(env_id: str, **kwargs: Any) -> ParallelEnv[str, Any, Any]:
    """Make an environment of several agents that is registered with PettingZoo.

    Args:
        env_id: `namespace/Name-vN`, or `module:namespace/Name-vN` to import `module` first.
        kwargs: arguments of the environment's own.

    Raises:
        UnknownEnvError: nobody registered that id, or its module cannot be imported.
        OptionError: it does not take these arguments.
        ContractError: it is no PettingZoo `ParallelEnv`.
    """
    name = _imported(env_id)
    if name not in pettingzoo.parallel_registry:
        hint = f" {name} is of one agent: make makes it." if name in gym.registry else ""
        raise _unknown(name, _parallel_ids(), hint)
    spec = pettingzoo.parallel_registry[name]
    try:
        env: object = spec.make(**kwargs)
    except TypeError as error:
        raise OptionError(f"cannot make {name}: {error}") from error
    except ImportError as error:
        raise UnknownEnvError(f"{name} needs packages that are not installed: {error}") from error
    if not isinstance(env, ParallelEnv):
        raise ContractError(
            f"{env_id} makes an instance of {type(env).__name__}, but a ParallelEnv is needed "
            "here: derive the class from anchorgym.envs.MultiAgentEnv"
        )
    return env


def is_parallel(env_id: str) -> bool:
    """Whether an id is of an environment of several agents; imports the module before it.

    Raises:
        UnknownEnvError: nobody registered that id, or its module cannot be imported.
    """
    name = _imported(env_id)
    if name in pettingzoo.parallel_registry:
        return True
    if name not in gym.registry:
        raise _unknown(name, sorted([*_usable_ids(), *_parallel_ids()]))
    return False


def bare(env: object, source: str) -> TextEnv:
    """Return an environment without the wrappers that Gymnasium's `make` adds by itself.

    Args:
        env: what should be a `TextEnv`, or one in such wrappers.
        source: where it comes from, to open an error message.

    Raises:
        ContractError: it is no `TextEnv`, or has other wrappers.
    """
    env = unwrapped(env)
    if not isinstance(env, TextEnv):
        raise ContractError(
            f"{source} an instance of {type(env).__name__}, but a TextEnv is needed here: "
            "derive the class from anchorgym.envs.TextEnv, and register it without wrappers"
        )
    return env


def unwrapped(env: object) -> object:
    """Return what is in the wrappers that Gymnasium's `make` adds by itself."""
    while isinstance(env, OrderEnforcing | PassiveEnvChecker):
        env = env.env
    return env


def _imported(env_id: str) -> str:
    """Import the module before an id, and return what is after it."""
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UnknownEnvError(
                f"cannot import {module!r} for environment {env_id!r}: {error}."
                f"{_how_to_import(module, name)}"
            ) from error
    return name


def _unknown(name: str, usable: list[str], hint: str = "") -> UnknownEnvError:
    return UnknownEnvError(
        f"unknown environment {name!r}.{hint or did_you_mean(name, usable)} Registered: "
        f"{', '.join(usable) or 'none'}. {_how_to_name(name)}"
    )


def _parallel_ids() -> list[str]:
    """Return the registered ids of several agents: not those that PettingZoo brings."""
    return sorted(
        name
        for name, spec in pettingzoo.parallel_registry.items()
        if not _of_package(spec.entry_point, "pettingzoo")
    )


def _usable_ids() -> list[str]:
    """Return the registered ids that may make a `TextEnv`: not those of Gymnasium itself."""
    return sorted(key for key, spec in gym.registry.items() if _may_be_text(spec.entry_point))


def _may_be_text(entry_point: object) -> bool:
    if isinstance(entry_point, type):
        return issubclass(entry_point, TextEnv)
    return not _of_package(entry_point, "gymnasium")


def _of_package(entry_point: object, package: str) -> bool:
    if isinstance(entry_point, str):
        module = entry_point.partition(":")[0]
    else:
        module = getattr(entry_point, "__module__", None) or package  # None: vectors only
    return module.partition(".")[0] == package


def _how_to_name(name: str) -> str:
    """Say how the id of an environment of the user's own is written."""
    form = "module:namespace/Name-vN"
    module = _module_name(name)
    if "/" in name and not name.endswith(".py"):
        return f"Write 'module:{name}' if a module of yours registers it ({form})."
    if module.replace(".", "").isidentifier():
        return (
            f"If {module} is a module of yours, write '{module}:namespace/Name-vN' with the id "
            f"that it registers ({form})."
        )
    return f"The form is {form}, where the module is one of yours that registers the id."


def _how_to_import(module: str, name: str) -> str:
    if module.endswith(".py") or "/" in module:
        name = name if "/" in name else "namespace/Name-vN"
        return f" Name a module, not a file: '{_module_name(module)}:{name}'."
    return " The form is module:namespace/Name-vN."


def _module_name(path: str) -> str:
    """Return the module that a file holds; a module's name stays as it is."""
    return re.split(r"[/\\]", path)[-1].removesuffix(".py") if path.endswith(".py") else path
