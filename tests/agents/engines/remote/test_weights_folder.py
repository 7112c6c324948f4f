"""Weights as files: whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anchorgym.agents.engines import WeightsError
from anchorgym.agents.engines.remote.weights_folder import require_stable, write_weights


def test_what_is_written_is_read_and_older_weights_go(tmp_path: Path) -> None:
    for version in range(4):
        folder = write_weights(tmp_path, {"a": torch.full((3,), float(version))}, f"me-{version}")
        write_weights(tmp_path, {"a": torch.zeros(1)}, "other-0")
        assert require_stable(folder) == f"me-{version}"
        assert load_file(folder / "model.safetensors")["a"].tolist() == [version] * 3
    assert {path.name for path in tmp_path.iterdir()} == {"me-2", "me-3", "other-0"}


def test_weights_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    folder = write_weights(tmp_path, {"a": torch.ones(64)}, "me-1")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"\0\0\0\0")
    with pytest.raises(WeightsError, match="not those that were written"):
        require_stable(folder)
    weights.write_bytes(whole)
    assert require_stable(folder) == "me-1"
    (folder / "STABLE").write_text(json.dumps({"label": "me-1"}))
    with pytest.raises(WeightsError, match="'sha256' is missing"):
        require_stable(folder)
    (folder / "STABLE").unlink()
    with pytest.raises(WeightsError, match="wait until STABLE is there"):
        require_stable(folder)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="name another folder"):
        write_weights(tmp_path / "file" / "weights", {"a": torch.ones(1)}, "me-1")
