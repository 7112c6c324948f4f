"""Deterministic kernels, which a GPU has to be asked for."""

import pytest
import torch

from anchorgym.agents.engines.placing import DeviceError
from anchorgym.training.run import deterministic
from anchorgym.training.run.deterministic import deterministic_kernels


def test_a_gpu_is_asked_for_deterministic_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(deterministic, "resolve_device", torch.device)
    with deterministic_kernels("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert deterministic.os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_a_cpu_is_deterministic_by_itself() -> None:
    with deterministic_kernels("cpu"):
        assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(DeviceError, match="cuda:77"), deterministic_kernels("cuda:77"):
        pass
