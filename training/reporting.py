"""What a run says while it works: JSON Lines for programs, a progress display for people."""

from __future__ import annotations

import json
import math
import os
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

    Args:
        path: of the file.
        keep: cut it to so many bytes first; None keeps all of it.
        elapsed: seconds that the run had taken until then.
    """

    def __init__(self, path: Path, keep: int | None = None, elapsed: float = 0.0) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8")
        if keep is not None:
            self._file.truncate(keep)
        self._start = time.monotonic() - elapsed

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return time.monotonic() - self._start

    def write(self, phase: str, **values: Any) -> None:
        """Append a record; seconds since the start are added."""
        record = _plain({"phase": phase, "seconds": round(self.elapsed, 2), **values})
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()

    def sync(self) -> int:
        """Have all that was written reach the disk; return the file's length in bytes."""
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

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
    def phase(self, name: str, total: int, done: int = 0) -> Iterator[Phase]:
        """Show progress through `total` steps, of which some may be done already."""
        if self._console is None or not self._console.is_terminal:
            yield _PlainPhase(self, name, total, done)
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
            task = progress.add_task(name, total=total, completed=done, note="")
            yield _LivePhase(progress, task)


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
    def __init__(self, display: Display, name: str, total: int, done: int) -> None:
        self._display, self._name, self._total = display, name, total
        self._done = done
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
