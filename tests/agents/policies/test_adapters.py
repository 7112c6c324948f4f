"""Policies with low-rank adapters (LoRA): what is added, what is saved, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from adapted import adapted, disturb
from chat_models import chat_model
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from small_policies import small_policy
from torch import Tensor
from transformers import AutoModelForCausalLM

from anchorgym.agents import ModelPolicy, PolicyError, load_policy
from anchorgym.agents.engines.adapters import adapter_weights
from anchorgym.agents.engines.placing import placed_engines
from anchorgym.agents.policies.adapters import Adapters, BaseModelError
from anchorgym.envs.errors import AnchorgymError, MissingExtraError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LAYERS = ("down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model")


@pytest.fixture(scope="module")
def saved(model: Path) -> Path:
    adapted(model).save(model.parent / "adapters")
    return model.parent / "adapters"


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "adapters"))


@torch.no_grad()
def logits(model: Any) -> Tensor:
    found: Tensor = model(torch.arange(3, 60)[None]).logits
    return found


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


# Adding ---------------------------------------------------------------------------------------


def test_untrained_adapters_change_nothing_and_are_all_that_is_trained(model: Path) -> None:
    policy = load_policy(model)
    before = logits(policy.model)
    policy.add_adapters(4, 32, seed=3)
    assert torch.equal(logits(policy.model), before)
    assert policy.adapters == Adapters(4, 32, LAYERS)
    trained = {n for n, weight in policy.model.named_parameters() if weight.requires_grad}
    assert trained == adapter_weights(policy.model).keys()
    assert len(trained) == 2 * 2 * len(LAYERS)


def test_equal_seeds_give_equal_adapters_and_the_callers_draws_go_on(model: Path) -> None:
    found = []
    for seed in (1, 1, 2):
        policy = load_policy(model)
        torch.manual_seed(len(found))
        expected = torch.random.get_rng_state()
        policy.add_adapters(4, 32, seed=seed)
        assert torch.equal(torch.random.get_rng_state(), expected)
        weights = adapter_weights(policy.model)
        found.append(torch.cat([weight.detach().flatten() for weight in weights.values()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("targets", "layers"),
    [
        ("all-linear", LAYERS),
        ("attention", ("k_proj", "o_proj", "q_proj", "v_proj")),
        (("v_proj", "q_proj"), ("q_proj", "v_proj")),
    ],
)
def test_adapters_go_where_the_settings_say(
    model: Path, targets: Any, layers: tuple[str, ...]
) -> None:
    policy = load_policy(model)
    policy.add_adapters(2, 4, targets)
    assert policy.adapters == Adapters(2, 4, layers)
    assert {name.split(".")[-4] for name in adapter_weights(policy.model)} == set(layers)


def test_what_cannot_be_adapted_is_said(model: Path) -> None:
    policy = load_policy(model)
    for targets, said in (
        (("q_prj",), "Did you mean 'q_proj'"),
        (("lm_head",), "no linear layers 'lm_head'"),
        ("everything", "'all-linear' and 'attention' stand for several"),
    ):
        with pytest.raises(PolicyError, match=said):
            policy.add_adapters(4, 8, targets)
    policy.add_adapters(4, 8)
    with pytest.raises(PolicyError, match="adapters of rank 4 already"):
        policy.add_adapters(4, 8)
    with pytest.raises(PolicyError, match="base model in a folder"):
        small_policy("test/KeyDoor-v0", tasks=3).add_adapters(4, 8)


def test_a_missing_package_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = load_policy(model)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"anchorgym\[lora\]"):
        policy.add_adapters(4, 8)


# Saving and loading -----------------------------------------------------------------------------


def test_a_folder_holds_the_adapters_alone_and_gives_the_policy_back(
    model: Path, saved: Path
) -> None:
    policy, again = adapted(model), load_policy(saved)
    assert not (saved / "model.safetensors").exists()
    tensors = load_file(saved / WEIGHTS)
    assert sum(t.numel() for t in tensors.values()) == sum(
        weight.numel() for weight in adapter_weights(policy.model).values()
    )
    assert torch.equal(logits(again.model), logits(policy.model))
    assert again.prompt_settings == policy.prompt_settings
    assert (again.adapters, again.base) == (policy.adapters, policy.base)
    other = again.with_prompt(max_response=9)
    assert (other.model, other.base) == (again.model, again.base)


def test_bfloat16_adapters_are_saved_as_they_were_sampled(model: Path, tmp_path: Path) -> None:
    engine = placed_engines(device="cpu", dtype="bfloat16")
    policy = load_policy(model, engine=engine)
    policy.add_adapters(4, 8)
    disturb(policy.model, std=0.1)
    assert {weight.dtype for weight in policy.model.parameters()} == {torch.bfloat16}
    policy.save(tmp_path / "adapters")
    again = load_policy(tmp_path / "adapters", engine=engine)
    assert torch.equal(logits(again.model), logits(policy.model))


def test_peft_and_transformers_read_the_folder(model: Path, saved: Path) -> None:
    ours = logits(load_policy(saved).model)
    base = AutoModelForCausalLM.from_pretrained(model)
    assert torch.equal(logits(PeftModel.from_pretrained(base, str(saved))), ours)
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(saved)), ours)


@pytest.mark.parametrize("rooted", [False, True])
def test_a_folder_of_peft_is_a_policy(model: Path, tmp_path: Path, rooted: bool) -> None:
    """Without tokenizer and settings, which are the base model's."""
    base = AutoModelForCausalLM.from_pretrained(model)
    config = LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "up_proj"], use_rslora=rooted)
    theirs = get_peft_model(base, config)
    disturb(theirs, std=0.1)
    theirs.save_pretrained(tmp_path / "theirs")
    change(tmp_path / "theirs" / CONFIG, base_model_name_or_path=str(model))
    policy = load_policy(tmp_path / "theirs")
    assert torch.equal(logits(policy.model), logits(theirs))
    assert policy.adapters == Adapters(3, 5, ("q_proj", "up_proj"), rooted)
    assert policy.prompt_settings == load_policy(model).prompt_settings


def test_merged_policies_are_saved_whole(saved: Path, tmp_path: Path) -> None:
    policy = load_policy(saved)
    before = logits(policy.model)
    policy.merge_adapters()
    policy.save(tmp_path / "whole")
    whole = load_policy(tmp_path / "whole")
    assert isinstance(whole, ModelPolicy)
    assert whole.adapters is None
    assert (logits(whole.model) - before).abs().max() < 1e-5


# Base models --------------------------------------------------------------------------------------


def test_a_moved_base_is_named_and_found_again(
    saved: Path, model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folder / CONFIG, base_model_name_or_path="models/mine")
    with pytest.raises(BaseModelError, match=r"'models/mine'.* write there the path"):
        load_policy(folder)
    shutil.copytree(model, tmp_path / "models/mine")
    monkeypatch.chdir(tmp_path)
    before = logits(load_policy(saved).model)
    assert torch.equal(logits(load_policy(folder).model), before)


def test_another_base_than_that_of_the_training_is_refused(folder: Path, tmp_path: Path) -> None:
    other = load_policy(json.loads((folder / CONFIG).read_text())["base_model_name_or_path"])
    with torch.no_grad():
        next(other.model.parameters())[0, 0] += 1
    other.save(tmp_path / "other")
    change(folder / CONFIG, base_model_name_or_path=str(tmp_path / "other"))
    with pytest.raises(BaseModelError, match="other weights than those"):
        load_policy(folder)


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_adapters_of_adapters_are_refused(folder: Path, saved: Path, digest: str) -> None:
    change(folder / CONFIG, base_model_name_or_path=str(saved))
    change(folder / "anchorgym_policy.json", base_sha256=digest)
    with pytest.raises(PolicyError, match="anchorgym export"):
        load_policy(folder)


# Damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"peft_type": "LOHA"}, "only LORA is computed"),
        ({"peft_type": None}, "only LORA is computed"),
        ({"use_dora": True}, "'use_dora', which is not computed"),
        ({"bias": "all"}, "'bias', which is not computed"),
        ({"modules_to_save": ["lm_head"]}, "'modules_to_save', which is not computed"),
        ({"init_lora_weights": "pissa"}, "'init_lora_weights', which is not computed"),
        ({"rank_pattern": {"q_proj": 2}}, "'rank_pattern', which is not computed"),
        ({"something_new": {"path": "/etc"}}, "'something_new', which is not computed"),
        ({"r": 10**12}, "r is 1000000000000"),
        ({"r": 5}, "r is 5"),
        ({"r": "4"}, "r is 4"),
        ({"r": True}, "r is True"),
        ({"lora_alpha": 0}, "lora_alpha is 0"),
        ({"lora_alpha": None}, "lora_alpha is None"),
        ({"use_rslora": "yes"}, "use_rslora is yes"),
        ({"target_modules": "(a+)+$"}, "no list of names"),
        ({"target_modules": [3]}, "no list of names"),
        ({"target_modules": ["no_proj"]}, "no linear layers 'no_proj'"),
        ({"target_modules": ["q_proj"]}, "does not fit"),
        ({"base_model_name_or_path": None}, "base_model_name_or_path is missing"),
        ({"base_model_name_or_path": "me/model-on-a-hub"}, "is not at 'me/model-on-a-hub'"),
        ({"base_model_name_or_path": "a" * 5000}, "is not at 'aaa"),
    ],
)
def test_what_a_configuration_cannot_say_is_refused(
    folder: Path, values: dict[str, Any], said: str
) -> None:
    change(folder / CONFIG, **values)
    with pytest.raises(PolicyError) as raised:
        load_policy(folder)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def rename_a_tensor(path: Path) -> None:
    tensors = load_file(path)
    tensors["other"] = tensors.pop(min(tensors))
    save_file(tensors, path)


def spoil_a_tensor(path: Path) -> None:
    tensors = load_file(path)
    tensors[min(tensors)][0, 0] = float("nan")
    save_file(tensors, path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "renamed tensor": rename_a_tensor,
    "no number": spoil_a_tensor,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_a_line_that_names_the_file(folder: Path, damage: str) -> None:
    DAMAGES[damage](folder / WEIGHTS)
    with pytest.raises(AnchorgymError) as raised:
        load_policy(folder)
    assert WEIGHTS in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_damaged_configuration_is_named(folder: Path) -> None:
    (folder / CONFIG).write_text('{"r": ')
    with pytest.raises(PolicyError, match=CONFIG):
        load_policy(folder)
