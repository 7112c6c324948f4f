"""Lookup of the learner that trains a policy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs.plugins import PluginError, load_object, require_methods
from anchorgym.gigpo import Algorithm
from anchorgym.training.config.section import ConfigError
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.contract import LearnerError, PolicyLearner
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.table_learner import TableLearner
from anchorgym.training.learning.usual import usual_learner

AUTO = "auto"
"""Name that selects the learner by the kind of policy."""
_LEARNERS: dict[type, Any] = {ModelPolicy: LanguageLearner, TabularPolicy: TableLearner}
"""Learners by the class of policy that they train."""


def find_learner(name: str) -> Callable[..., PolicyLearner] | None:
    """Return the class or function that makes a learner; None for `auto`.

    Raises:
        ConfigError: there is no learner of that name.
    """
    if name == AUTO:
        return None
    try:
        found = load_object(name, "a learner")
    except PluginError as error:
        raise ConfigError(f"learner.name: {error}") from error
    if not callable(found):
        raise ConfigError(f"learner.name: {name!r} is {found!r:.80}, which makes no learner")
    make: Callable[..., PolicyLearner] = found
    return make


def learner_for(
    policy: object, algorithm: Algorithm, config: LearnerConfig, *, temperature: float = 1.0
) -> PolicyLearner:
    """Return a learner of a policy.

    Args:
        policy: policy to train.
        algorithm: algorithm that defines the loss.
        config: settings of the learner. `name` is `auto`, or `module:Name` of your own class or
            function, which is called with (policy, algorithm, config, temperature=) and returns a
            `PolicyLearner`.
        temperature: sampling temperature of responses.

    Raises:
        LearnerError: the policy cannot be trained, or not with these settings.
        ConfigError: `config.name` names no usable learner.
        DeviceError: this machine has no such device.
    """
    make, config = find_learner(config.name), usual_learner(config, policy)
    if make is None:
        fitting = [made for kind, made in _LEARNERS.items() if isinstance(policy, kind)]
        if not fitting:
            raise LearnerError(
                f"a {type(policy).__name__} has nothing to train: leave it as it is, or name a "
                "learner of your own as learner.name=module:Name"
            )
        make = fitting[0]
    try:
        inspect.signature(make).bind(policy, algorithm, config, temperature=temperature)
    except TypeError as error:
        raise ConfigError(
            f"learner.name: {config.name!r} cannot be made as NAME(policy, algorithm, config, "
            f"temperature=...): {error}"
        ) from error
    made = make(policy, algorithm, config, temperature=temperature)
    needed = ("update", "set_learning_rate", "publish", "save", "load")
    require_methods(made, needed, "a learner", f"learner.name: {config.name!r}")
    return made
