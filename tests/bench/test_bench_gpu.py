"""The benchmark of GPUs is rehearsed, so that it runs where there is one."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_gpu import pretended_gpu

HERE = Path(__file__).parent


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(HERE))
    return importlib.import_module("bench_gpu")


@pytest.mark.parametrize(
    "what",
    ["torch engine", "train", "train adapters", pytest.param("iteration", marks=pytest.mark.slow)],
)
def test_every_measurement_runs_on_a_pretended_gpu(
    what: str, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 2**30)
    with pretended_gpu(monkeypatch):
        found = bench.measure(what, "tiny", rehearse=True)
    assert found.pop("memory") == 1
    if what == "iteration":
        assert sum(found["shares"].values()) == pytest.approx(1, abs=0.01)
        assert found["turns"] > 0
    else:
        assert found
        assert min(found.values()) > 0


@pytest.mark.slow  # five processes
def test_the_script_measures_everything_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    out = tmp_path / "rehearsal.jsonl"
    command = [sys.executable, str(HERE / "bench_gpu.py"), "--rehearse", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    found = {line["what"]: line for line in map(json.loads, out.read_text().splitlines())}
    vllm = found.pop("vllm engine")
    assert sorted(found) == ["iteration", "torch engine", "train", "train adapters"]
    assert not any("failed" in line or "left_out" in line for line in found.values())
    if find_spec("vllm") is None:
        assert vllm["left_out"] == "vllm is not installed"
