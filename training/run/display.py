"""The progress display of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

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
"""Least seconds between two lines of progress without a terminal."""


class Display:
    """Shows the progress of phases, as a bar on a terminal and as occasional lines elsewhere.

    Args:
        console: console to print on; None shows nothing.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        if self._console is not None:
            self._console.print(text, highlight=False, markup=False, emoji=False)

    @contextmanager
    def phase(self, name: str, total: int, done: int = 0) -> Iterator[Phase]:
        """Show progress through `total` steps, of which `done` are already done."""
        if self._console is None or not self._console.is_terminal:
            yield _PlainPhase(self, name, total, done)
            return
        columns = (
            TextColumn("{task.description:<10}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(name, total=total, completed=done, note="")
            yield _LivePhase(progress, task)


class Phase:
    """Progress through one phase."""

    def step(self, note: str = "") -> None:
        """Count one step; `note` is a short status."""
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
