"""Recovery of a run that was killed: checkpoints, and files that go back to the last of them.

A checkpoint restores what is in memory. What a command has written beside it since is taken back,
so that no later step sees it: logs are cut to the length that they had, small files are written
back, and new files and folders are removed. The run then takes the same steps again, and ends with
the same files as one that was never interrupted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchorgym.envs.durable import remove, remove_leftovers, sync, write_file
from anchorgym.training.config.general import CheckpointConfig
from anchorgym.training.run.checkpoints import Checkpoint, CheckpointError, Checkpoints, Saves

_COST = 20
"""Least time between two checkpoints, as a multiple of what the last one took."""
_WRITTEN = "written"
"""Key of the written files in the state of a checkpoint."""


@dataclass(frozen=True, slots=True)
class Written:
    """Paths of what a command writes beside its checkpoints, relative to the run's folder."""

    logs: tuple[str, ...] = ("metrics.jsonl",)
    """Files that only grow."""
    texts: tuple[str, ...] = ()
    """Small files that are replaced as a whole."""
    entries: tuple[str, ...] = ()
    """Patterns of files and folders that are written once each, such as `players/player-*`."""

    def mark(self, folder: Path) -> dict[str, Any]:
        """Return what is there, as JSON values, after it has reached the disk."""
        logs, texts = {}, {}
        for name in self.logs:
            if (path := folder / name).exists():
                sync(path)
                logs[name] = path.stat().st_size
        for name in self.texts:
            if (path := folder / name).exists():
                texts[name] = path.read_text(encoding="utf-8")
        return {"logs": logs, "texts": texts, "entries": self._entries(folder)}

    def roll_back(self, folder: Path, mark: Mapping[str, Any]) -> None:
        """Take back everything that was written after `mark` was made.

        Raises:
            CheckpointError: something that had been written is not there any more.
        """
        for name in self.logs:
            _cut(folder / name, mark["logs"].get(name))
        for name in self.texts:
            path, text = folder / name, mark["texts"].get(name)
            if text is None:
                remove(path)
            elif not path.exists() or path.read_text(encoding="utf-8") != text:
                write_file(path, text)
        kept, there = set(mark["entries"]), set(self._entries(folder))
        if missing := sorted(kept - there):
            raise CheckpointError(
                f"{folder / missing[0]} is missing, which the run had written: put it back, or "
                "begin the run again in another folder"
            )
        for name in sorted(there - kept):
            remove(folder / name)
        for name in (*self.logs, *self.texts, *self.entries):
            remove_leftovers((folder / name).parent)

    def _entries(self, folder: Path) -> list[str]:
        found = {path for pattern in self.entries for path in folder.glob(pattern)}
        return sorted(str(path.relative_to(folder)) for path in found)


_NOTHING: dict[str, Any] = {"logs": {}, "texts": {}, "entries": []}


class Recovery:
    """The checkpoints of a run, and what it has written beside them.

    Making one takes the folder back to its newest checkpoint, or to an empty one without any.

    Args:
        folder: folder of the run, which this process has locked.
        written: what the command writes.
        config: settings of the checkpoints.

    Raises:
        CheckpointError: no checkpoint is whole, or something that was written is missing.
    """

    def __init__(self, folder: Path, written: Written, config: CheckpointConfig) -> None:
        self._folder, self._written, self._seconds = folder, written, config.seconds
        self._checkpoints = Checkpoints(folder / "checkpoints", config.keep)
        self.saved: Checkpoint | None = self._checkpoints.newest()
        """Checkpoint that the run goes on from; None for a run that begins."""
        mark = _NOTHING if self.saved is None else self.saved.state.get(_WRITTEN)
        if mark is None:
            raise CheckpointError(
                f"{self.saved.folder if self.saved else folder} was written by an earlier version "
                "of anchorgym: finish the run with that version, or begin a new one in another "
                "folder"
            )
        written.roll_back(folder, mark)
        remove_leftovers(folder)
        self._saved_at, self._took = time.monotonic(), 0.0

    def due(self) -> bool:
        """Whether the last checkpoint is old enough for the next one.

        Checkpoints of large models take long: at most one part in `_COST` of the time is theirs,
        unless the settings ask for all of them.
        """
        least = max(self._seconds, _COST * self._took) if self._seconds else 0.0
        return time.monotonic() - self._saved_at >= least

    def save(self, state: Mapping[str, Any], parts: Mapping[str, Saves] | None = None) -> None:
        """Write a checkpoint, see `Checkpoints.save`."""
        began = time.monotonic()
        mark = self._written.mark(self._folder)
        self._checkpoints.save({**state, _WRITTEN: mark}, parts)
        self._saved_at = time.monotonic()
        self._took = self._saved_at - began


def _cut(path: Path, size: int | None) -> None:
    there = path.stat().st_size if path.exists() else None
    if size is None:
        remove(path)
    elif there is None or there < size:
        raise CheckpointError(
            f"{path} is shorter than it was when the run was saved: put it back, or begin the run "
            "again in another folder"
        )
    elif there > size:
        os.truncate(path, size)
