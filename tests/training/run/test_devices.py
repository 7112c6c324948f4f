"""Whole runs on a CPU, on a pretended GPU, and on a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import chat_model
from killing import left_by

from anchorgym.training import TrainConfig, train
from anchorgym.training.run.metrics import MetricsLog


def settings(device: torch.device, policy: str = "tiny", **changes: Any) -> TrainConfig:
    base: dict[str, Any] = {
        "env": {"id": "test/Errands-v0", "max_turns": 2},
        "device": str(device),
        "policy": {"name": policy},
        "clone": {"updates": 2, "batch": 2, "learning_rate": 0.01},
        "algorithm": {"kl_coef": 0.01, "norm": "mean"},
        "rollout": {"iterations": 2, "tasks": 1, "group_size": 2, "max_turns": 2},
        "learner": {"learning_rate": 0.003, "minibatch": 4},
        "evaluation": {"every": 9, "modes": ["greedy"], "tasks": 1, "validation_tasks": 1},
        "checkpoint": {"seconds": 0},
    }
    if policy == "tiny":
        size = {"hidden": 32, "layers": 1, "heads": 2, "feed_forward": 32, "max_context": 256}
        base["policy"] = {**size, "vocabulary_tasks": 4}
    return TrainConfig.parse({**base, **changes})


def test_a_run_repeats_and_goes_on_after_an_interrupt(
    device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(device)
    run = train(config, tmp_path / "one")
    assert run.policy.model.device == device
    write = MetricsLog.write

    def interrupted(self: MetricsLog, phase: str, **values: Any) -> None:
        if values.get("iteration") == 2:
            raise KeyboardInterrupt
        write(self, phase, **values)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "two")
    train(config, tmp_path / "two", resume=True)
    assert left_by(tmp_path / "two") == left_by(tmp_path / "one")


def test_a_chat_model_is_trained_with_adapters_in_bfloat16(
    device: torch.device, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    folder = chat_model(tmp_path / "model")
    changes = {"dtype": "bfloat16", "lora": {"rank": 4}, "clone": {"updates": 2, "batch": 2}}
    config = settings(device, str(folder), **changes)
    prompt = {"max_response": 4, "form": "transcript"}
    config = TrainConfig.parse(
        {**config.model_dump(exclude_unset=True), "policy": {"name": str(folder), **prompt}}
    )
    run = train(config, tmp_path / "run")
    assert run.policy.adapters is not None
    assert {weight.device for weight in run.policy.model.parameters()} == {device}
    assert run.policy.model.dtype == torch.bfloat16
