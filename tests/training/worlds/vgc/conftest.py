"""Fixtures of the tests of learning to battle; all skip where the simulator is not set up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from vgc_battles import require_simulator

from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.training.league import Rules
from anchorgym.training.worlds.vgc import populations


@pytest.fixture(scope="session")
def simulator() -> None:
    require_simulator()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Populations play two games of a pair, where they would play a block of sixteen."""
    monkeypatch.setattr(populations, "Rules", partial(Rules, block=2))


@pytest.fixture(scope="session")
def bridge(simulator: None) -> Iterator[Bridge]:
    bridge = Bridge()
    yield bridge
    bridge.close()
