"""Settings that are sensible for a kind of policy, where none were given.

| setting | new | pretrained | a billion weights or more |
|---|---|---|---|
| learner.learning_rate | 3e-4 | 2e-5 (measured at 135 M weights) | 1e-6 (GiGPO) |
| algorithm.kl_coef | 0 | the algorithm's own: .01 in GiGPO, 0 in DAPO | the same |
| algorithm.clip_low, clip_high | the algorithm's own: .2 in GiGPO | the same | the same |
| policy.max_response | as its actions need | 256 | 512 (GiGPO) |
| clone.learning_rate | 2e-3, and Muon | 5e-5 (measured at 135 M weights) | the same |

GiGPO's values are those of its experiments on ALFWorld and WebShop with models of 1.5 and 7 billion
weights (arXiv 2505.10978, appendix). The response length belongs to the prompt settings, see
`PromptSettings.for_chat`; the rest is here. Adapters (LoRA) learn at ten times the rate of a whole
model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.prompt_settings import LARGE
from anchorgym.training.config.section import ConfigError, Section
from anchorgym.training.config.sections import AlgorithmConfig, CloneConfig, LearnerConfig

Kind = Literal["new", "pretrained", "large"]
"""Kinds of policies: built from nothing, trained elsewhere, and trained elsewhere and large."""

LEARNER: Final[Mapping[Kind, Mapping[str, Any]]] = {
    "new": {},
    "pretrained": {"learning_rate": 2e-5},
    "large": {"learning_rate": 1e-6},
}
"""Learner by kind of policy. The rate for new policies would destroy a pretrained model: of a model
of 135 M parameters, valid turns fell from 97 to 10 % in two updates at 3e-4."""
_CLONE = {
    "learning_rate": 5e-5,
    "matrix_learning_rate": 0.0,
    "weight_decay": 0.0,
    "observation_weight": 0.0,
}
CLONE: Final[Mapping[Kind, Mapping[str, Any]]] = {"new": {}, "pretrained": _CLONE, "large": _CLONE}
"""Cloning by kind of policy. A pretrained model knows language and is to learn actions alone."""
_ADAPTERS: Final = 10
"""Learning rate of adapters as a multiple of that of a whole model, in supervised and in
reinforcement learning: Schulman et al. (2025), "LoRA Without Regret"."""

SectionT = TypeVar("SectionT", bound=Section)


def is_pretrained(policy: object) -> bool:
    """Whether a policy is a model that was trained elsewhere, prompted in its own chat format."""
    return isinstance(policy, ModelPolicy) and policy.prompt_settings.template == "chat"


def kind_of(policy: object) -> Kind:
    """Return the kind of a policy."""
    if not is_pretrained(policy):
        return "new"
    assert isinstance(policy, ModelPolicy)
    return "large" if policy.n_parameters >= LARGE else "pretrained"


def is_adapted(policy: object) -> bool:
    """Whether adapters (LoRA) of a policy are trained in place of its whole model."""
    return isinstance(policy, ModelPolicy) and policy.adapters is not None


def usual_learner(config: LearnerConfig, policy: object) -> LearnerConfig:
    """Return settings of a learner, with those for the kind of policy where none were given."""
    return _filled(config, _usual(LEARNER, policy))


def usual_clone(config: CloneConfig, policy: object) -> CloneConfig:
    """Return settings of cloning, with those for the kind of policy where none were given.

    Raises:
        ConfigError: a learning rate of Muon was given for a policy with adapters.
    """
    found = _filled(config, _usual(CLONE, policy))
    if is_adapted(policy) and found.matrix_learning_rate:
        raise ConfigError(
            "clone.matrix_learning_rate: adapters (LoRA) are trained by AdamW alone: leave it out"
        )
    return found


def usual_options(config: AlgorithmConfig, policy: object) -> dict[str, Any]:
    """Return options of an algorithm, with its own divergence for a pretrained model.

    A model that was trained elsewhere is kept near what it was, as the algorithm's authors do it;
    a new policy has nothing to be kept.
    """
    options = config.options
    if is_pretrained(policy) and "kl_coef" not in config.model_fields_set:
        del options["kl_coef"]
    return options


def _usual(by_kind: Mapping[Kind, Mapping[str, Any]], policy: object) -> Mapping[str, Any]:
    """Return the settings for a policy's kind, at the learning rate of adapters if it has some."""
    kind = kind_of(policy)
    if not is_adapted(policy):
        return by_kind[kind]
    usual = by_kind["pretrained" if kind == "new" else kind]  # only what was trained has adapters
    return {**usual, "learning_rate": _ADAPTERS * usual["learning_rate"]}


def _filled(section: SectionT, usual: Mapping[str, Any]) -> SectionT:
    given = section.model_fields_set
    return section.model_copy(update={k: v for k, v in usual.items() if k not in given})
