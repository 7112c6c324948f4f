"""Seconds by phase: those of the processor and those of the clock."""

from __future__ import annotations

import pytest

from anchorgym.training.rollout import timers as module
from anchorgym.training.rollout.timers import Timers


def test_waiting_costs_seconds_of_the_clock_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"cpu": 10.0, "wall": 100.0}
    monkeypatch.setattr(module.time, "process_time", lambda: now["cpu"])
    monkeypatch.setattr(module.time, "monotonic", lambda: now["wall"])
    timers = Timers()
    now.update(cpu=10.5, wall=107.0)
    timers.lap("generation")
    now.update(cpu=12.0, wall=108.0)
    timers.start()
    now.update(cpu=12.25, wall=109.0)
    timers.lap("generation")
    timers.lap("update")
    assert timers.cpu == {"generation": 0.75, "update": 0.0}
    assert timers.wall == {"generation": 8.0, "update": 0.0}


def test_an_earlier_part_of_the_work_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"cpu": 10.0, "wall": 100.0}
    monkeypatch.setattr(module.time, "process_time", lambda: now["cpu"])
    monkeypatch.setattr(module.time, "monotonic", lambda: now["wall"])
    timers = Timers()
    now.update(cpu=10.5, wall=107.0)
    timers.add({"update": 2.0}, {"update": 3.0, "generation": 4.0})
    timers.lap("update")
    assert timers.cpu == {"update": 2.5}
    assert timers.wall == {"update": 10.0, "generation": 4.0}
