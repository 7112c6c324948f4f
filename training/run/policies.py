"""Lookup of policies by name: saved policies, and loaders in the user's own modules."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anchorgym.agents.engines import EngineFactory
from anchorgym.agents.policies.adapters import Adapters, linear_layers
from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.folder import PolicyError
from anchorgym.agents.policies.model import ModelPolicy, load_policy
from anchorgym.envs.errors import did_you_mean
from anchorgym.envs.plugins import is_reference, load_object
from anchorgym.training.config.lora import LoraConfig
from anchorgym.training.config.section import ConfigError


def named_policy(
    name: str,
    *,
    engine: EngineFactory | None = None,
    seed: int = 0,
    known: Iterable[str] = (),
) -> Policy:
    """Return the policy of a folder, or of a loader named as `module:Name`.

    A loader is a class or function that returns a policy and takes the keyword `seed`.

    Args:
        name: folder of a saved policy or of a chat model, or `module:Name`.
        engine: factory of the engine of a model from a folder; by default one in this process.
        seed: seed of the policy's random draws.
        known: other names that the caller accepts, for suggestions in error messages.

    Raises:
        PolicyError: the folder holds no policy, or the loader returns none.
        PluginError: there is no such loader.
    """
    if Path(name).exists():
        return load_policy(name, engine=engine)
    if is_reference(name):
        return _loaded(name, seed)
    try:
        return load_policy(name, engine=engine)
    except PolicyError as error:
        raise PolicyError(f"{error}.{did_you_mean(name, known)}".replace("..", ".")) from error


def trainable_policy(
    name: str,
    *,
    engine: EngineFactory | None = None,
    seed: int = 0,
    known: Iterable[str] = (),
) -> ModelPolicy:
    """Return the policy that `named_policy` returns, if it can be trained.

    Raises:
        PolicyError: there is no policy, or it cannot be trained.
        PluginError: there is no such loader.
    """
    policy = named_policy(name, engine=engine, seed=seed, known=known)
    if not isinstance(policy, ModelPolicy):
        raise PolicyError(
            f"{name} gives a {type(policy).__name__}, which cannot be trained: only a ModelPolicy, "
            "such as load_policy returns, has weights that a run can update"
        )
    return policy


def add_adapters(policy: ModelPolicy, config: LoraConfig, *, seed: int) -> None:
    """Add the adapters (LoRA) that settings ask for to a loaded policy.

    A policy that has adapters already goes on with these.

    Raises:
        ConfigError: its adapters are others, the model has no such layers, or no rank is set.
        MissingExtraError: peft is not installed.
    """
    if policy.adapters is not None:
        _require_same(policy, policy.adapters, config)
    elif config.rank:
        try:
            policy.add_adapters(config.rank, config.alpha, config.targets, seed=seed)
        except PolicyError as error:
            raise ConfigError(f"lora: {error}") from error
    elif given := sorted(config.model_fields_set - {"rank"}):
        raise ConfigError(f"lora.{given[0]}: there are adapters only with lora.rank: set it too")


def _require_same(policy: ModelPolicy, adapters: Adapters, config: LoraConfig) -> None:
    """Check that a policy's adapters are those that settings ask for, if they ask for any."""
    named = linear_layers(policy.model, config.targets)
    asked = {"rank": config.rank, "alpha": config.alpha, "targets": list(named)}
    has = {"rank": adapters.rank, "alpha": adapters.alpha, "targets": list(adapters.targets)}
    for name in sorted(config.model_fields_set):
        if asked[name] != has[name]:
            raise ConfigError(
                f"lora.{name}: the policy's adapters have {has[name]} already, not {asked[name]}: "
                "leave the lora settings out to train these on, or write them into a whole model "
                "with `anchorgym export` first"
            )


def _loaded(reference: str, seed: int) -> Policy:
    loader: Any = load_object(reference, "a policy")
    if not callable(loader):
        raise PolicyError(f"{reference} is no loader of policies: name a class or a function")
    try:
        inspect.signature(loader).bind(seed=seed)
    except TypeError as error:
        raise PolicyError(
            f"{reference} cannot be called with `seed={seed}` ({error}): a loader of policies "
            "takes the keyword seed, and returns a policy"
        ) from error
    except ValueError:  # a builtin without a signature
        pass
    policy: Policy = loader(seed=seed)
    if not hasattr(policy, "open"):
        raise PolicyError(
            f"{reference} returned a {type(policy).__name__}, which is no policy: it needs "
            "`open(env, agent)` and `engine`, as anchorgym.agents.policies.base.Policy says"
        )
    return policy
