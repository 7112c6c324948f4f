"""Fixtures shared by all tests."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from browser import Browser, find_chromium

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
