"""What a run says while it works: JSON Lines for programs, a progress display for people."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PLAIN_SECONDS = 20.0
"""Between two lines of progress where there is no terminal to redraw."""


class MetricsLog:
    """Appends one JSON object a line, flushed at once: nothing is lost when a run is cut.

    Numbers that JSON cannot write, NaN and the infinities, become null.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._start = time.monotonic()

    def write(self, phase: str, **values: Any) -> None:
        """Append a record; seconds since the start are added."""
        seconds = round(time.monotonic() - self._start, 2)
        record = {"phase": phase, "seconds": seconds, **values}
        self._file.write(json.dumps(_plain(record), allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Display:
    """Shows phases and their progress: redrawn on a terminal, a line now and then elsewhere.

    Args:
        console: where to; None shows nothing.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        if self._console is not None:
            self._console.print(text, highlight=False)

    @contextmanager
    def phase(self, name: str, total: int) -> Iterator[Phase]:
        """Show progress through `total` steps."""
        if self._console is None or not self._console.is_terminal:
            yield _PlainPhase(self, name, total)
            return
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console) as progress:
            yield _LivePhase(progress, progress.add_task(name, total=total, note=""))


class Phase:
    """Progress through one phase."""

    def step(self, note: str = "") -> None:
        """One step is done; `note` says how it stands."""
        raise NotImplementedError


class _LivePhase(Phase):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def step(self, note: str = "") -> None:
        self._progress.update(self._task, advance=1, note=note)


class _PlainPhase(Phase):
    def __init__(self, display: Display, name: str, total: int) -> None:
        self._display, self._name, self._total = display, name, total
        self._done = 0
        self._last = time.monotonic()

    def step(self, note: str = "") -> None:
        self._done += 1
        now = time.monotonic()
        if self._done == self._total or now - self._last >= _PLAIN_SECONDS:
            self._last = now
            self._display.say(f"{self._name:<10} {self._done}/{self._total}  {note}")


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays, and numbers that are not finite, as JSON values."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
