"""Fixtures of the battle tests; all skip where the simulator is not set up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from vgc_battles import require_simulator

from anchorgym.envs.vgc.bridge import Bridge


@pytest.fixture(scope="session")
def simulator() -> None:
    require_simulator()


@pytest.fixture(scope="session")
def bridge(simulator: None) -> Iterator[Bridge]:
    bridge = Bridge()
    yield bridge
    bridge.close()
