"""Learners of policies with low-rank adapters (LoRA): what moves, is kept, and is published."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from adapted import adapted, disturb
from chat_models import chat_model
from small_policies import small_policy
from torch import Tensor, nn

from anchorgym.agents import ModelPolicy, load_policy
from anchorgym.agents.engines.adapters import adapter_weights
from anchorgym.gigpo import make_algorithm
from anchorgym.training import ConfigError
from anchorgym.training.config.sections import CloneConfig, LearnerConfig
from anchorgym.training.learning.cloning_learner import CloningLearner
from anchorgym.training.learning.contract import LearnerStateError
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.reference import reference_of
from anchorgym.training.learning.rows import TokenRow
from anchorgym.training.learning.usual import usual_clone, usual_learner


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model")


def fresh(model: Path) -> ModelPolicy:
    """A policy whose adapters are untrained."""
    policy = load_policy(model)
    policy.add_adapters(4, 8, seed=1)
    return policy


def rows(n: int = 6) -> list[TokenRow]:
    """Rows of different lengths, half of which is written, with advantages of both signs."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for i in range(n):
        length = 24 - 2 * i
        tokens = torch.randint(3, 200, (length,), generator=generator).tolist()
        half = length // 2
        written = [False] * half + [True] * (length - half)
        gain, count = 1.0 - 2 * (i % 2), length - half
        found.append(
            TokenRow(tokens, written, [-5.5] * count, [gain] * count, [()] * count, [0] * count)
        )
    return found


def learner_of(policy: ModelPolicy, kl_coef: float = 0.0, **config: Any) -> LanguageLearner:
    settings = LearnerConfig(**{"minibatch": 3, "learning_rate": 0.01, **config})
    algorithm = make_algorithm("grpo", kl_coef=kl_coef, entropy_coef=0.01)
    return LanguageLearner(policy, algorithm, settings, temperature=1.0)


def demonstrations() -> list[Demonstration]:
    found = []
    for i in range(4):
        row = Demonstration()
        row.read([5 + i, 6, 7])
        row.write([8, 9 + i], [8, 9 + i])
        found.append(row)
    return found


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def moved(before: dict[str, Tensor], model: nn.Module) -> set[str]:
    after = dict(model.named_parameters())
    return {name for name, weight in before.items() if not torch.equal(weight, after[name])}


def gradients(policy: ModelPolicy) -> dict[str, Tensor]:
    weights = adapter_weights(policy.model).items()
    return {name: weight.grad.clone() for name, weight in weights if weight.grad is not None}


# Updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_update_moves_the_adapters_alone(model: Path, dtype: torch.dtype) -> None:
    policy = adapted(model)
    nn.Module.to(policy.model, dtype)
    learner, before = learner_of(policy), copied(policy.model)
    assert {master.dtype for master in learner.masters.named().values()} == {torch.float32}
    learner.update(rows(), 0)
    assert moved(before, policy.model) == adapter_weights(policy.model).keys()
    assert all(weight.grad is None for weight in policy.model.parameters())


def test_an_update_is_that_of_the_loss_of_merged_weights(model: Path) -> None:
    """The gradient of W + s B A by A is s B^T G, and by B it is s G A^T, with G that of W."""
    policy = adapted(model)
    whole = copy.deepcopy(policy)
    whole.merge_adapters()
    first, second = (learner_of(each, max_grad_norm=1e9) for each in (policy, whole))
    one, other = (each.forward_backward(rows()) for each in (first, second))
    assert one == pytest.approx(other, abs=1e-5)
    layers = dict(policy.model.named_modules())
    for name, weight in whole.model.named_parameters():
        layer = layers.get(name.removesuffix(".weight"))
        if not hasattr(layer, "lora_A"):
            continue
        down, up = (getattr(layer, part)["default"].weight for part in ("lora_A", "lora_B"))
        torch.testing.assert_close(down.grad, 2 * up.T @ weight.grad, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(up.grad, 2 * weight.grad @ down.T, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "memory", [{"recompute": True}, {"micro_tokens": 40}, {"packing": True}, {"micro_tokens": 1}]
)
def test_what_saves_memory_does_not_change_the_gradient(
    model: Path, memory: dict[str, Any]
) -> None:
    found = []
    for settings in ({}, memory):
        policy = fresh(model)
        disturb(policy.model, std=0.1)
        learner_of(policy, **settings).forward_backward(rows())
        found.append(gradients(policy))
    assert found[0].keys() == found[1].keys() == adapter_weights(policy.model).keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-6, rtol=1e-5)


def test_cloning_moves_the_adapters_alone_by_adamw(model: Path) -> None:
    policy = fresh(model)
    learner, before = CloningLearner(policy, CloneConfig(), updates=2, seed=0), copied(policy.model)
    assert list(learner.optimizers) == ["adamw"]
    losses = [learner.update(demonstrations(), 0)["action_loss"] for _ in range(2)]
    learner.close()
    assert moved(before, policy.model) == adapter_weights(policy.model).keys()
    assert losses[1] < losses[0]


def test_a_small_policy_of_one_world_can_be_adapted_too(tmp_path: Path) -> None:
    """Its embedding, which cloning factors otherwise, stays as it is."""
    small_policy("test/KeyDoor-v0", tasks=3).save(tmp_path / "policy")
    policy = fresh(tmp_path / "policy")
    learner, before = CloningLearner(policy, CloneConfig(), updates=2, seed=0), copied(policy.model)
    learner.update(demonstrations(), 0)
    learner.close()
    assert moved(before, policy.model) <= adapter_weights(policy.model).keys()
    policy.save(tmp_path / "adapters")
    assert load_policy(tmp_path / "adapters").env_id == "test/KeyDoor-v0"


# Reference models -----------------------------------------------------------------------------


@pytest.mark.parametrize("trained", [False, True])
def test_the_reference_is_the_policy_as_it_was(model: Path, trained: bool) -> None:
    """The penalty equals that with a copy of the whole model."""
    policy = adapted(model) if trained else fresh(model)
    frozen = copy.deepcopy(policy.model).requires_grad_(False)
    learner = learner_of(policy, kl_coef=0.5)
    learner.update(rows(), 0)
    ids, before = torch.arange(3, 60)[None], copied(policy.model)
    with torch.no_grad(), learner._reference.ready() as reference:  # type: ignore[union-attr]
        torch.testing.assert_close(reference(ids).logits, frozen(ids).logits, atol=1e-6, rtol=0)
        assert (policy.model(ids).logits - frozen(ids).logits).abs().max() < 1e-6
    assert not moved(before, policy.model)
    assert (policy.model(ids).logits - frozen(ids).logits).abs().max() > 1e-3
    assert all(weight.requires_grad for weight in adapter_weights(policy.model).values())


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("algorithm", ["grpo", "gspo"])
def test_a_kl_penalty_is_that_of_a_copied_model(
    model: Path, trained: bool, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for copies in (False, True):
        policy = adapted(model) if trained else fresh(model)
        if copies:
            monkeypatch.setattr(
                "anchorgym.training.learning.reference.adapter_weights", lambda model: {}
            )
        learner = LanguageLearner(
            policy,
            make_algorithm(algorithm, kl_coef=0.5),
            LearnerConfig(minibatch=3, learning_rate=0.01, micro_tokens=30),
            temperature=1.0,
        )
        found.append([learner.update(rows(), seed) for seed in range(3)])
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)


def test_a_reference_holds_no_copy_of_the_base(model: Path) -> None:
    policy = adapted(model)
    reference = reference_of(policy.model)
    kept = sum(tensor.numel() for tensor in reference._kept.values())  # type: ignore[attr-defined]
    assert kept == sum(weight.numel() for weight in adapter_weights(policy.model).values())
    with reference.ready() as computing:
        assert computing is policy.model


# States ---------------------------------------------------------------------------------------


def test_a_state_holds_the_adapters_and_goes_on_to_the_last_bit(
    model: Path, tmp_path: Path
) -> None:
    whole, resumed = (learner_of(fresh(model), kl_coef=0.1) for _ in range(2))
    whole.update(rows(), 0)
    whole.save(tmp_path / "learner")
    weights = sum(weight.numel() for weight in adapter_weights(whole.model).values())
    size = sum(path.stat().st_size for path in (tmp_path / "learner").iterdir())
    assert size < 3 * 4 * weights + 20_000  # weights, two moments, and names of tensors
    resumed.load(tmp_path / "learner")
    assert resumed.update(rows(), 1) == whole.update(rows(), 1)
    assert not moved(copied(whole.model), resumed.model)


def test_a_state_belongs_to_its_reference_and_to_its_adapters(model: Path, tmp_path: Path) -> None:
    learner_of(adapted(model), kl_coef=0.1).save(tmp_path / "learner")
    with pytest.raises(LearnerStateError, match="another reference model"):
        learner_of(adapted(model, seed=2), kl_coef=0.1).load(tmp_path / "learner")
    learner_of(adapted(model)).save(tmp_path / "other")
    for policy in (adapted(model, rank=5), load_policy(model)):
        with pytest.raises(LearnerStateError, match="those of another model"):
            learner_of(policy).load(tmp_path / "other")


# Publishing -----------------------------------------------------------------------------------


def test_engines_get_the_weights_that_were_trained(model: Path) -> None:
    """The policy's own engine shares them, and another one gets them merged."""
    policy, other = adapted(model), load_policy(model)
    learner = learner_of(policy)
    learner.update(rows(), 0)
    before = copied(policy.model)
    for engine in (policy.engine, other.engine):
        learner.publish(engine)
        assert engine.version == 1
    assert not moved(before, policy.model)
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        gap = (other.model(ids).logits - policy.model(ids).logits).abs().max()
    assert gap < 1e-5


# Usual settings -------------------------------------------------------------------------------


def test_adapters_are_trained_with_larger_steps_than_a_whole_model(model: Path) -> None:
    policy = fresh(model)
    assert usual_learner(LearnerConfig(), policy).learning_rate == 2e-4
    assert usual_learner(LearnerConfig(learning_rate=1e-5), policy).learning_rate == 1e-5
    clone = usual_clone(CloneConfig(), policy)
    assert (clone.learning_rate, clone.matrix_learning_rate, clone.weight_decay) == (5e-4, 0, 0)
    with pytest.raises(ConfigError, match=r"clone\.matrix_learning_rate"):
        usual_clone(CloneConfig(matrix_learning_rate=0.01), policy)
