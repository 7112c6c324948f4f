"""Atomic writing of files and folders, which a killed process never leaves half-written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW, OLD = ".new", ".old"
"""Endings of files that are being written, and of files that are about to be replaced."""


def write_file(path: Path, text: str) -> None:
    """Write a file under a temporary name, and rename it once it is on the disk."""
    fresh = path.with_name(path.name + NEW)
    fresh.write_text(text, encoding="utf-8")
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write into, which is renamed to `path` once it is on the disk.

    A folder at `path` is replaced by two renames, between which `path` does not exist for a moment;
    a new folder takes only one.
    """
    fresh, stale = path.with_name(path.name + NEW), path.with_name(path.name + OLD)
    for leftover in (fresh, stale):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    yield fresh
    for folder, _, names in os.walk(fresh, topdown=False):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))
    if path.exists():
        path.rename(stale)
    fresh.rename(path)
    sync(path.parent)
    shutil.rmtree(stale, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that killed writers left in a folder."""
    for path in [*folder.glob("*" + NEW), *folder.glob("*" + OLD)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
