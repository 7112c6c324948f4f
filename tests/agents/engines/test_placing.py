"""Devices and data types of models, and the engines that follow them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import chat_model

from anchorgym.agents import Sampling, load_policy
from anchorgym.agents.engines import placing
from anchorgym.agents.engines.answering import answer_apart
from anchorgym.agents.engines.placing import (
    DeviceError,
    available_devices,
    place,
    placed_engines,
    resolve_device,
)
from anchorgym.training import ConfigError, TrainConfig
from anchorgym.training.run.components import assemble, completed


def test_a_device_that_is_not_there_is_named_with_those_that_are() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert str(resolve_device("auto")) in available_devices()
    with pytest.raises(DeviceError, match=r"no device 'cuda:9' .* has cpu.* --device"):
        resolve_device("cuda:9")
    with pytest.raises(DeviceError, match="no device"):
        placed_engines(device="cuda:9")
    with pytest.raises(ConfigError, match="device"):
        TrainConfig.parse({"device": "gpu"})
    with pytest.raises(DeviceError, match="no device"):
        assemble(TrainConfig.parse({"env": "test/Rooms-v0", "device": "cuda:9"}))


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("saved", [torch.float32, torch.bfloat16, torch.float16])
def test_a_policy_has_the_data_type_that_it_was_saved_in_where_that_is_fast(
    saved: torch.dtype, fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "has_fast_bfloat16", lambda device: fast)
    folder = chat_model(tmp_path / "model")
    plain = load_policy(folder)
    assert plain.model.dtype == torch.float32
    plain.model.to(saved)
    plain.save(tmp_path / "saved")
    short = fast and saved != torch.float32
    for dtype, expected in (
        ("auto", torch.bfloat16 if short else torch.float32),
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
    ):
        engines: Any = placed_engines(dtype=dtype)  # type: ignore[arg-type]
        policy = load_policy(tmp_path / "saved", engine=engines)
        assert policy.model.dtype == expected
        job = {"env": "test/Rooms-v0", "policy": str(tmp_path / "saved"), "dtype": dtype}
        config = TrainConfig.parse(job)
        components = assemble(config)
        assert components.policy is not None
        assert components.policy.model.dtype == expected
        assert completed(config, components).dtype == str(expected).removeprefix("torch.")


def test_a_new_policy_is_float32() -> None:
    config = TrainConfig.parse({"env": "test/Rooms-v0"})
    assert completed(config, assemble(config)).dtype == "float32"


def test_an_engine_in_bfloat16_has_the_logprobs_of_its_model(tmp_path: Path) -> None:
    policy = load_policy(
        chat_model(tmp_path / "model"), engine=placed_engines(device="cpu", dtype="bfloat16")
    )
    prompts = [policy.template.question(text) for text in ("Where is the mug?", "Open the door.")]  # type: ignore[attr-defined]
    written = answer_apart(policy.engine, [(p, Sampling(12, seed=3)) for p in prompts], "test")
    for prompt, answer in zip(prompts, written, strict=True):
        with torch.no_grad():
            ids = torch.tensor([[*prompt, *answer.tokens]])
            table = torch.log_softmax(policy.model(ids).logits[0].float(), -1)
        begin = len(prompt) - 1
        truth = [float(table[begin + i, token]) for i, token in enumerate(answer.tokens)]
        assert answer.logprobs == pytest.approx(truth, abs=2e-2)


def test_a_model_that_moves_between_turns_is_read_again(tmp_path: Path) -> None:
    policy = load_policy(chat_model(tmp_path / "model"))
    prompt = policy.template.question("Where is the mug?")  # type: ignore[attr-defined]
    engine = policy.engine
    engine.submit("a", prompt, Sampling(4, 0.0))
    (_, first), *_ = engine.poll()
    place(policy.model, "cpu", "bfloat16")
    engine.submit("a", prompt[:3], Sampling(4, 0.0))
    (_, second), *_ = engine.poll()
    fresh = [*prompt, *first.tokens, *prompt[:3]]
    (again,) = answer_apart(engine, [(fresh, Sampling(4, 0.0))], "test")
    assert again.logprobs == pytest.approx(second.logprobs, abs=2e-2)
