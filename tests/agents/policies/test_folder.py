"""Folders of policies and models that are damaged, or that try to run code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import chat_model
from safetensors.torch import load_file, save_file
from small_policies import small_policy
from transformers import LlamaForCausalLM

from anchorgym.agents import PolicyError, load_policy
from anchorgym.agents.engines.families import UnsupportedModelError
from anchorgym.envs.errors import AnchorgymError

FILES = (
    "anchorgym_policy.json",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "model.safetensors",
)
OPTIONAL = ("tokenizer_config.json", "generation_config.json")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "policy"
    small_policy("test/KeyDoor-v0", tasks=3).save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "policy"))


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00{}"),
    "a list": lambda path: path.write_text("[]"),
    "null": lambda path: path.write_text("null"),
    "nested deeply": lambda path: path.write_text('{"a":' * 50_000 + "1" + "}" * 50_000),
    "no number": lambda path: path.write_text('{"a": 1e999}'),
    "another object": lambda path: path.write_text('{"a": {"b": ["c"]}}'),
    "a folder": as_folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_every_damage_is_a_line_that_names_the_file(folder: Path, name: str, damage: str) -> None:
    DAMAGES[damage](folder / name)
    if name in OPTIONAL and damage in ("missing", "another object"):
        load_policy(folder)
        return
    with pytest.raises(AnchorgymError) as raised:
        load_policy(folder)
    assert name in str(raised.value) or folder.name in str(raised.value)
    assert "\n" not in str(raised.value)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    "values",
    [
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": -1},
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 3},
        {"num_hidden_layers": "two"},
        {"num_labels": 10**9},
        {"vocab_size": 10**12},
        {"vocab_size": 3},
        {"hidden_size": 10**9},
        {"hidden_size": 16},
        {"hidden_size": 0},
        {"num_attention_heads": 0},
        {"num_attention_heads": 10**30},
        {"max_position_embeddings": None},
        {"rope_parameters": {"rope_type": "no such"}},
        {"hidden_act": "no such"},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"model_type": None},
        {"model_type": "no such"},
        {"model_type": "bert"},
        {"eos_token_id": 10**9},
        {"eos_token_id": ["x"]},
    ],
)
def test_sizes_and_kinds_that_cannot_be_are_refused(folder: Path, values: dict[str, Any]) -> None:
    change(folder / "config.json", **values)
    with pytest.raises(AnchorgymError) as raised:
        load_policy(folder)
    assert "\n" not in str(raised.value)
    assert "config.json" in str(raised.value) or "family" in str(raised.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"env_id": 3}, "env_id"),
        ({"history": -1}, "history"),
        ({"template": "other"}, "template"),
        ({"template": "chat"}, "tokenizer.json.*no chat template"),
        ({"end_tokens": ["<nothing>"]}, "<nothing>"),
    ],
)
def test_settings_that_cannot_be_are_refused(folder: Path, values: Any, said: str) -> None:
    change(folder / "anchorgym_policy.json", **values)
    with pytest.raises(AnchorgymError, match=said):
        load_policy(folder)


def test_a_setting_that_older_versions_do_not_know_is_saved_only_where_it_is_used(
    folder: Path, tmp_path: Path
) -> None:
    policy = load_policy(folder)
    for end_tokens in ([], ["<pad>"]):
        policy.with_prompt(end_tokens=end_tokens).save(tmp_path / "other")
        saved = json.loads((tmp_path / "other" / "anchorgym_policy.json").read_text())
        assert saved.get("end_tokens") == (end_tokens or None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[1]
    weights[name].view(-1)[0] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PolicyError, match=rf"model.safetensors is damaged .*{name}.*finite"):
        load_policy(folder)


def test_weights_of_another_shape_or_name_are_refused(folder: Path) -> None:
    whole = load_file(folder / "model.safetensors")
    name = "model.norm.weight"
    for changed in (
        {key: value for key, value in whole.items() if key != name},
        {**whole, name: torch.ones(3)},
        {**whole, "model.other.weight": torch.ones(3)},
    ):
        save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(PolicyError, match="damaged"):
            load_policy(folder)


@pytest.mark.parametrize("name", ["metadata", "weight_map"])
def test_an_index_that_lacks_a_part_is_the_file_that_is_damaged(folder: Path, name: str) -> None:
    weights = load_file(folder / "model.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "part.safetensors")}
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    load_policy(folder)
    path.write_text(json.dumps({key: value for key, value in index.items() if key != name}))
    with pytest.raises(PolicyError, match=f"index.json is damaged .*no {name}"):
        load_policy(folder)


def test_what_the_library_raises_on_loading_is_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", fail)
    with pytest.raises(PolicyError, match=r"config.json is damaged \(ZeroDivisionError .*by zero"):
        load_policy(folder)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/b", "", 3, None])
def test_an_index_cannot_leave_the_folder(folder: Path, name: object) -> None:
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    index = {"metadata": {}, "weight_map": {"model.norm.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(PolicyError, match="no file of this folder"):
        load_policy(folder)


def test_code_in_a_folder_is_never_asked_about_nor_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(prompt: str = "") -> str:
        raise AssertionError(f"asked: {prompt}")

    monkeypatch.setattr("builtins.input", ask)
    folder = chat_model(tmp_path / "model")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\nclass C: pass\n")
    auto_map = dict.fromkeys(("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer"), "own.C")
    for path in (folder / "config.json", folder / "tokenizer_config.json"):
        change(path, auto_map=auto_map)
    assert load_policy(folder).model.config.model_type == "llama"  # whose code is the library's
    change(folder / "config.json", model_type="own")
    with pytest.raises(UnsupportedModelError, match="never executed"):
        load_policy(folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation"])
def test_attention_is_ours_whatever_a_folder_names(folder: Path, key: str) -> None:
    change(folder / "config.json", **{key: "org/kernel"})
    assert load_policy(folder).model.config._attn_implementation == "sdpa"


def test_a_folder_of_an_adapter_is_refused_with_what_to_do(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/"}')
    with pytest.raises(PolicyError, match="merge"):
        load_policy(folder)
