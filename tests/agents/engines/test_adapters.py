"""Models with low-rank adapters compute what their merged weights say, in engine and learner."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from adapted import adapted, disturb
from chat_models import chat_model
from model_families import SUPPORTED, VOCABULARY, family_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from anchorgym.agents import PolicyError, Sampling, load_policy
from anchorgym.agents.engines import WeightsError
from anchorgym.agents.engines.adapters import (
    PlainWeights,
    adapted_layers,
    merge_adapters,
    save_plain,
    without_adapters,
)
from anchorgym.agents.engines.answering import answer_apart
from anchorgym.agents.engines.families import probe
from anchorgym.agents.engines.torch_engine import TorchEngine
from anchorgym.agents.engines.weights import put_weights
from anchorgym.agents.policies.adapters import Adapters, attach, linear_layers

TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model")


@torch.no_grad()
def logprobs(model: PreTrainedModel) -> Tensor:
    ids = torch.arange(3, VOCABULARY)[None]
    return torch.log_softmax(model(ids).logits.float(), -1)


@pytest.mark.parametrize("name", [name for name in SUPPORTED if name != "gpt2"])
def test_engine_and_learner_compute_the_adapters_of_every_family(name: str) -> None:
    model, plain = family_model(name), family_model(name)
    attach(model, Adapters(4, 8, linear_layers(model, "all-linear")), seed=1)
    assert (logprobs(model) - logprobs(plain)).abs().max() < 1e-5  # untrained, they add nothing
    disturb(model, std=0.05)
    probe(model)
    assert (logprobs(model) - logprobs(plain)).abs().max() > 1e-3
    put_weights(plain, PlainWeights(model))
    assert (logprobs(model) - logprobs(plain)).abs().max() < 1e-5


def test_a_family_without_linear_layers_is_refused() -> None:
    with pytest.raises(PolicyError, match="no linear layers of the kind 'all-linear'"):
        linear_layers(family_model("gpt2"), "all-linear")


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_merged_weights_equal_adapters_within_the_data_type(
    model: Path, dtype: torch.dtype
) -> None:
    policy, plain = adapted(model), load_policy(model)
    for each in (policy, plain):
        nn.Module.to(each.model, dtype)
    before = logprobs(plain.model)
    with without_adapters(policy.model):
        assert torch.equal(logprobs(policy.model), before)
    with_adapters = logprobs(policy.model)
    assert (with_adapters - before).abs().max() > 5 * TOLERANCES[dtype]
    plain.engine.load_weights(PlainWeights(policy.model), 1)
    assert (logprobs(plain.model) - with_adapters).abs().max() < TOLERANCES[dtype]
    policy.merge_adapters()
    assert torch.equal(logprobs(policy.model), logprobs(plain.model))
    assert not adapted_layers(policy.model)
    assert all(weight.requires_grad for weight in policy.model.parameters())


def test_an_engine_writes_with_the_adapters_as_they_are(model: Path) -> None:
    policy, merged = adapted(model), adapted(model)
    merge_adapters(merged.model)
    prompts, sampling = [[5, 6, 7, 8], [9, 10]], Sampling(6, seed=3)
    ours, theirs = (
        answer_apart(
            TorchEngine(each.model, ()), [(tokens, sampling) for tokens in prompts], "test"
        )
        for each in (policy, merged)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one.tokens == other.tokens
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    first = policy.engine
    first.submit("a", prompts[0], sampling)
    first.poll()
    disturb(policy.model, std=0.2)
    first.load_weights(PlainWeights(policy.model), 1)  # those of its own model: the cache is stale
    first.submit("a", [11], sampling)
    ((_, answer),) = first.poll()
    fresh = TorchEngine(policy.model, ())
    fresh.submit("b", [*prompts[0], *ours[0].tokens, 11], sampling)
    ((_, again),) = fresh.poll()
    assert answer.version == 1
    assert answer.logprobs == pytest.approx(again.logprobs, abs=1e-5)


def test_plain_weights_are_those_of_the_base_by_name(model: Path, tmp_path: Path) -> None:
    policy, plain = adapted(model), load_policy(model)
    weights = PlainWeights(policy.model)
    assert weights.keys() == dict(plain.model.named_parameters()).keys()
    assert all(weights[name].shape == of.shape for name, of in plain.model.named_parameters())
    with pytest.raises(WeightsError, match="of another model"):  # whose names are those of layers
        plain.engine.load_weights(dict(policy.model.named_parameters()), 1)
    save_plain(policy.model, tmp_path / "plain")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "plain")
    assert (logprobs(loaded) - logprobs(policy.model)).abs().max() < 1e-5
    plain.engine.load_weights(tmp_path / "plain", 1)
    assert (logprobs(plain.model) - logprobs(policy.model)).abs().max() < 1e-5
