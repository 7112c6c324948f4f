"""Settings that are sensible for a kind of policy, where none were given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.training.config.section import ConfigError, Section
from anchorgym.training.config.sections import CloneConfig, LearnerConfig

LEARNER: Final[Mapping[str, Any]] = {"learning_rate": 2e-5}
"""Learner of a pretrained model, which the rate for new policies would destroy: of a model of 135 M
parameters, valid turns fell from 97 to 10 % in two updates at 3e-4."""
CLONE: Final[Mapping[str, Any]] = {
    "learning_rate": 5e-5,
    "matrix_learning_rate": 0.0,
    "weight_decay": 0.0,
    "observation_weight": 0.0,
}
"""Cloning with a pretrained model, which knows language and is to learn actions alone."""
_ADAPTERS: Final = 10
"""Learning rate of adapters as a multiple of that of a whole model, in supervised and in
reinforcement learning: Schulman et al. (2025), "LoRA Without Regret"."""

SectionT = TypeVar("SectionT", bound=Section)


def is_pretrained(policy: object) -> bool:
    """Whether a policy is a model that was trained elsewhere, prompted in its own chat format."""
    return isinstance(policy, ModelPolicy) and policy.prompt_settings.template == "chat"


def is_adapted(policy: object) -> bool:
    """Whether adapters (LoRA) of a policy are trained in place of its whole model."""
    return isinstance(policy, ModelPolicy) and policy.adapters is not None


def usual_learner(config: LearnerConfig, policy: object) -> LearnerConfig:
    """Return settings of a learner, with those for the kind of policy where none were given."""
    if is_adapted(policy):
        return _filled(config, _adapted(LEARNER))
    return _filled(config, LEARNER) if is_pretrained(policy) else config


def usual_clone(config: CloneConfig, policy: object) -> CloneConfig:
    """Return settings of cloning, with those for the kind of policy where none were given.

    Raises:
        ConfigError: a learning rate of Muon was given for a policy with adapters.
    """
    if is_adapted(policy):
        found = _filled(config, _adapted(CLONE))
        if found.matrix_learning_rate:
            raise ConfigError(
                "clone.matrix_learning_rate: adapters (LoRA) are trained by AdamW alone: leave it "
                "out"
            )
        return found
    return _filled(config, CLONE) if is_pretrained(policy) else config


def _adapted(usual: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a whole pretrained model for adapters of one."""
    return {**usual, "learning_rate": _ADAPTERS * usual["learning_rate"]}


def _filled(section: SectionT, usual: Mapping[str, Any]) -> SectionT:
    given = section.model_fields_set
    return section.model_copy(update={k: v for k, v in usual.items() if k not in given})
