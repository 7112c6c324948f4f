"""Which learner trains a policy."""

from __future__ import annotations

from typing import Any

from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs.plugins import load_object
from anchorgym.gigpo import Algorithm
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.contract import LearnerError, PolicyLearner
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.table_learner import TableLearner

AUTO = "auto"
"""Name of the learner that fits the kind of policy."""
_LEARNERS: dict[type, Any] = {ModelPolicy: LanguageLearner, TabularPolicy: TableLearner}
"""By the policy that each trains."""


def learner_for(
    policy: object, algorithm: Algorithm, config: LearnerConfig, *, temperature: float = 1.0
) -> PolicyLearner:
    """Return what trains a policy.

    Args:
        policy: what is trained.
        algorithm: says what is minimised.
        config: of the learner. Its `name` is `auto`, or `module:Name` of a class or function of
            your own that is called with (policy, algorithm, config, temperature=) and returns a
            `PolicyLearner`.
        temperature: that responses are sampled at.

    Raises:
        LearnerError: the policy has nothing that can be trained, or not in this way.
        PluginError: `config.name` leads to nothing usable.
        DeviceError: this machine has no such device.
    """
    if config.name != AUTO:
        make = load_object(config.name, "a learner")
    else:
        fitting = [made for kind, made in _LEARNERS.items() if isinstance(policy, kind)]
        if not fitting:
            raise LearnerError(
                f"a {type(policy).__name__} has nothing to train: leave it as it is, or name a "
                "learner of your own as learner.name=module:Name"
            )
        make = fitting[0]
    learner: PolicyLearner = make(policy, algorithm, config, temperature=temperature)
    return learner
