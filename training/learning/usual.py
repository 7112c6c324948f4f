"""Settings that are sensible for a kind of policy, where none were given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.training.config.section import Section
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

SectionT = TypeVar("SectionT", bound=Section)


def is_pretrained(policy: object) -> bool:
    """Whether a policy is a model that was trained elsewhere, prompted in its own chat format."""
    return isinstance(policy, ModelPolicy) and policy.prompt_settings.template == "chat"


def usual_learner(config: LearnerConfig, policy: object) -> LearnerConfig:
    """Return settings of a learner, with those for the kind of policy where none were given."""
    return _filled(config, LEARNER) if is_pretrained(policy) else config


def usual_clone(config: CloneConfig, policy: object) -> CloneConfig:
    """Return settings of cloning, with those for the kind of policy where none were given."""
    return _filled(config, CLONE) if is_pretrained(policy) else config


def _filled(section: SectionT, usual: Mapping[str, Any]) -> SectionT:
    given = section.model_fields_set
    return section.model_copy(update={k: v for k, v in usual.items() if k not in given})
