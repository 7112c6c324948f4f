"""Time by phase."""

from __future__ import annotations

import time
from collections import defaultdict


class Timers(defaultdict[str, float]):
    """CPU seconds by phase."""

    def __init__(self) -> None:
        super().__init__(float)
        self._last = time.process_time()

    def start(self) -> None:
        """Begin counting from now."""
        self._last = time.process_time()

    def lap(self, phase: str) -> None:
        """Book the time since the last call on a phase."""
        now = time.process_time()
        self[phase] += now - self._last
        self._last = now
