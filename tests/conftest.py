"""Fixtures shared by all tests."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from browser import Browser, find_chromium

if TYPE_CHECKING:
    import torch

# One thread a process, as `make` sets it: threads that spin on shared cores cost more than they
# bring, and a process that is forked from one with several waits for ever.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Jobs in the background of a shell ignore interrupts, and so would what tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about what is tested.
hypothesis.settings.register_profile("anchorgym", deadline=None)
hypothesis.settings.load_profile("anchorgym")

# The stock package names a data folder of its own when it is first imported; tests name theirs.
with contextlib.suppress(ImportError):
    import alfworld.info  # noqa: F401
os.environ.pop("ALFWORLD_DATA", None)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("ANCHORGYM_REFERENCE", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("reference data is absent: set ANCHORGYM_REFERENCE to its folder")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that the tests of a module share."""
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium, or put one on PATH")
    with Browser(program) as browser:
        yield browser


@pytest.fixture(params=["cpu", "pretended", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[torch.device]:
    """A device to run a test on: the CPU, a GPU that is pretended, and a GPU where there is one."""
    import torch
    from pretended_gpu import pretended_gpu

    kind: str = request.param
    if kind == "pretended":
        with pretended_gpu(monkeypatch):
            yield torch.device("cuda:0")
        return
    if kind == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at its first use
        if not torch.cuda.is_available():
            pytest.skip("torch sees no GPU here")
    yield torch.device("cuda:0" if kind == "cuda" else "cpu")


@pytest.fixture
def rounding(request: pytest.FixtureRequest) -> float:
    """The largest difference that the order of sums in float32 makes on a device."""
    on_a_gpu = request.node.get_closest_marker("gpu") is not None
    return 1e-4 if on_a_gpu else 1e-5
