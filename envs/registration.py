"""Registering environments and making them by id."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, cast

import gymnasium as gym
import pettingzoo
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker
from pettingzoo import AECEnv, ParallelEnv

from anchorgym.envs.core import TextEnv
from anchorgym.envs.errors import (
    ContractError,
    MissingExtraError,
    OptionError,
    UnknownEnvError,
    did_you_mean,
)
from anchorgym.envs.multi.one_active import OneActiveEnv
from anchorgym.envs.plugins import PluginError, UntrustedModuleError, load_module

E = TypeVar("E", bound=type[Any])
_APIS: Final[Mapping[Literal["parallel", "aec"], type]] = {"parallel": ParallelEnv, "aec": AECEnv}


def register(env_id: str, **kwargs: Any) -> Callable[[E], E]:
    """Register the decorated class as `namespace/Name-vN`.

    A `ParallelEnv` or `AECEnv` is registered with PettingZoo, anything else with Gymnasium.
    Keyword arguments are the environment's defaults:

        @register("me/KeyDoor-v0", max_turns=20)
        class KeyDoor(TextEnv): ...
    """

    def decorate(cls: E) -> E:
        for api, base in _APIS.items():
            if issubclass(cls, base):
                pettingzoo.register(api, env_id, entry_point=cast(Any, cls), kwargs=kwargs)
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
        MissingExtraError: it needs packages that an extra of anchorgym installs.
        ContractError: it is no `TextEnv`, or is registered with wrappers.
    """
    name = _imported(env_id)
    if name not in gym.registry:
        if _specs(name):
            raise UnknownEnvError(
                f"{name} is a world of several agents, and one of a single agent is needed here: "
                "train it with `anchorgym selfplay`, or make it with make_parallel"
            )
        raise _unknown(name, _usable_ids())
    try:
        env: gym.Env[Any, Any] = gym.make(name, disable_env_checker=True, **kwargs)
    except TypeError as error:
        # Gymnasium appends the id and all arguments, which are known here.
        problem = str(error).partition(" was raised from the environment creator for ")[0]
        raise OptionError(f"cannot make {name}: {problem}{_meant(problem, name)}") from error
    return bare(env, f"{env_id} makes")


def make_parallel(env_id: str, **kwargs: Any) -> ParallelEnv[str, Any, Any]:
    """Make an environment of several agents that is registered with PettingZoo.

    One that is registered as an AEC environment alone is made as a `OneActiveEnv`.

    Args:
        env_id: `namespace/Name-vN`, or `module:namespace/Name-vN` to import `module` first.
        kwargs: arguments of the environment's own; `max_turns` is the view's of an AEC environment.

    Raises:
        UnknownEnvError: nobody registered that id, or its module cannot be imported.
        OptionError: it does not take these arguments.
        MissingExtraError: it needs packages that an extra of anchorgym installs.
        ContractError: it is no PettingZoo environment.
    """
    name = _imported(env_id)
    specs = _specs(name)
    if not specs:
        if name in gym.registry:
            raise UnknownEnvError(
                f"{name} is a world of a single agent, and one of several is needed here: train it "
                "with `anchorgym train`, or make it with make"
            )
        raise _unknown(name, _parallel_ids())
    limit = {} if "parallel" in specs else {"max_turns": kwargs.pop("max_turns", None)}
    try:
        env: object = next(iter(specs.values())).make(**kwargs)
    except TypeError as error:
        raise OptionError(f"cannot make {name}: {error}{_meant(str(error), name)}") from error
    except MissingExtraError:
        raise
    except ImportError as error:
        what = f"the package {error.name!r}" if error.name else f"packages ({error})"
        how = f": pip install {error.name.partition('.')[0]}" if error.name else ""
        raise UnknownEnvError(f"{name} needs {what}, not installed here{how}") from error
    return as_parallel(env, f"{env_id} makes", **limit)


def as_parallel(env: object, source: str, **limit: int | None) -> ParallelEnv[str, Any, Any]:
    """Return a PettingZoo environment of either kind as a parallel one.

    Args:
        env: what should be one.
        source: where it comes from, to open an error message.
        limit: `max_turns` of an AEC environment's view.

    Raises:
        ContractError: it is none.
    """
    if isinstance(env, AECEnv):
        return OneActiveEnv(env, **limit)
    if not isinstance(env, ParallelEnv):
        raise ContractError(
            f"{source} an instance of {type(env).__name__}, but a ParallelEnv or AECEnv is needed "
            "here: derive the class from anchorgym.envs.MultiAgentEnv"
        )
    return env


def is_parallel(env_id: str) -> bool:
    """Whether an id is of an environment of several agents; imports the module before it.

    Raises:
        UnknownEnvError: nobody registered that id, or its module cannot be imported.
    """
    name = _imported(env_id)
    if _specs(name):
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
        hint = _how_to_import(module, name)
        if hint:
            raise UnknownEnvError(f"cannot import {module!r} for environment {env_id!r}: {hint}")
        try:
            load_module(module, f"environment {env_id!r}", "module:namespace/Name-vN")
        except UntrustedModuleError:
            raise
        except PluginError as error:
            raise UnknownEnvError(str(error)) from error.__cause__
    return name


def _unknown(name: str, usable: list[str]) -> UnknownEnvError:
    return UnknownEnvError(
        f"unknown environment {name!r}.{did_you_mean(name, usable)} Registered: "
        f"{', '.join(usable) or 'none'}. {_how_to_name(name)}"
    )


def _meant(problem: str, name: str) -> str:
    """Say which argument may have been meant, where one is not known."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", problem)
    if unknown is None:
        return ""
    specs = [spec for spec in (gym.registry.get(name), *_specs(name).values()) if spec]
    made = [spec.entry_point for spec in specs]
    found = [pkgutil.resolve_name(one) if isinstance(one, str) else one for one in made]
    classes = [base for one in found if isinstance(one, type) for base in one.__mro__]
    taken = {key for cls in classes for key in _arguments(cls)}
    return f".{hint}" if (hint := did_you_mean(unknown[1], taken)) else ""


def _arguments(cls: type) -> list[str]:
    """Return the names of what a class itself is made with."""
    if "__init__" not in vars(cls):
        return []
    kinds = inspect.Parameter
    return [
        parameter.name
        for parameter in inspect.signature(vars(cls)["__init__"]).parameters.values()
        if parameter.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
        and parameter.name != "self"
    ]


def _specs(name: str) -> dict[str, Any]:
    """Return what PettingZoo knows of a name, the parallel environment first."""
    registries = {"parallel": pettingzoo.parallel_registry, "aec": pettingzoo.aec_registry}
    return {api: specs[name] for api, specs in registries.items() if name in specs}


def _parallel_ids() -> list[str]:
    """Return the registered ids of several agents: not those that PettingZoo brings."""
    specs = {**pettingzoo.aec_registry, **pettingzoo.parallel_registry}
    ours = (n for n, spec in specs.items() if not _of_package(spec.entry_point, "pettingzoo"))
    return sorted(ours)


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
    """Say how the module of a file is named; nothing where it is no file."""
    if module.endswith(".py") or "/" in module:
        name = name if "/" in name else "namespace/Name-vN"
        return f"name a module, not a file, as in '{_module_name(module)}:{name}'"
    return ""


def _module_name(path: str) -> str:
    """Return the module that a file holds; a module's name stays as it is."""
    return re.split(r"[/\\]", path)[-1].removesuffix(".py") if path.endswith(".py") else path
