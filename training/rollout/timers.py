"""Timers that measure wall and CPU seconds of each phase."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping


class Timers:
    """Wall and CPU seconds by phase.

    They differ where the process waits: for an engine or an environment elsewhere, or for busy
    cores. CPU seconds sum over all threads, so they can exceed wall seconds.

    Attributes:
        cpu: CPU seconds by phase.
        wall: wall seconds by phase.
    """

    def __init__(self) -> None:
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.start()

    def start(self) -> None:
        """Start the clock, before the first `lap`."""
        self._last = time.process_time(), time.monotonic()

    def lap(self, phase: str) -> None:
        """Add the time since the last call to a phase."""
        now = time.process_time(), time.monotonic()
        self.cpu[phase] += now[0] - self._last[0]
        self.wall[phase] += now[1] - self._last[1]
        self._last = now

    def add(self, cpu: Mapping[str, float], wall: Mapping[str, float]) -> None:
        """Add the seconds of an earlier part of the same work."""
        for phase, seconds in cpu.items():
            self.cpu[phase] += seconds
        for phase, seconds in wall.items():
            self.wall[phase] += seconds
