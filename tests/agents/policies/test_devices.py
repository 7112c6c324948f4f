"""Policies that are loaded onto a device, saved there, and loaded elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from chat_models import chat_model
from safetensors.torch import load_file

from anchorgym.agents import load_policy
from anchorgym.agents.engines import families
from anchorgym.agents.engines.families import UnsupportedModelError
from anchorgym.agents.engines.placing import DtypeName, placed_engines
from anchorgym.agents.policies import folder as folders


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_policy_that_is_saved_on_a_device_is_the_same_elsewhere(
    dtype: DtypeName, device: torch.device, tmp_path: Path
) -> None:
    first = load_policy(chat_model(tmp_path / "model"), engine=placed_engines(dtype=dtype))
    for place in (str(device), "cpu", str(device)):
        first.save(tmp_path / place)
        again = load_policy(tmp_path / place, engine=placed_engines(device=place, dtype="auto"))
        for old, new in zip(first.model.parameters(), again.model.parameters(), strict=True):
            assert new.device == torch.device(place)
            assert new.dtype == old.dtype
            assert torch.equal(old.cpu(), new.cpu())
        first = again


def test_adapters_are_equal_wherever_they_were_drawn_and_saved(
    device: torch.device, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    base = chat_model(tmp_path / "model")
    for place in ("cpu", str(device)):
        policy = load_policy(base, engine=placed_engines(device=place, dtype="float32"))
        policy.add_adapters(4, 8, seed=3)
        policy.save(tmp_path / f"adapters {place}")
    files = [tmp_path / f"adapters {place}" for place in ("cpu", str(device))]
    one, other = (load_file(file / "adapter_model.safetensors") for file in files)
    assert all(torch.equal(one[name], other[name]) for name in one)
    loaded = load_policy(files[0], engine=placed_engines(device=str(device), dtype="float32"))
    assert {weight.device for weight in loaded.model.parameters()} == {device}
    loaded.merge_adapters()
    loaded.save(tmp_path / "merged")
    assert load_policy(tmp_path / "merged").adapters is None


def test_weights_are_never_held_in_another_type_or_place(
    device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(folders, "probe", lambda model: seen.append((model.dtype, model.device)))
    base = chat_model(tmp_path / "model")
    load_policy(base, engine=placed_engines(device=str(device), dtype="bfloat16"))
    load_policy(base)
    assert seen == [(torch.bfloat16, device), (torch.float32, torch.device("cpu"))]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_that_is_computed_otherwise_is_refused_in_either_precision(
    dtype: DtypeName, device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, engine = chat_model(tmp_path / "model"), placed_engines(device=str(device), dtype=dtype)
    load_policy(base, engine=engine)
    right = families.token_logits
    monkeypatch.setattr(families, "token_logits", lambda *args: 2 * right(*args))
    with pytest.raises(UnsupportedModelError, match="learner differ from its own"):
        load_policy(base, engine=engine)
