"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("ANCHORGYM_REFERENCE", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("reference data is absent: set ANCHORGYM_REFERENCE to its folder")
    return folder
