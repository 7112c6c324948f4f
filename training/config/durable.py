"""Files and folders that are there whole or not at all, whenever the process is killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW, OLD = ".new", ".old"
"""Endings of what is being written, and of what it is about to replace."""


def write_file(path: Path, text: str) -> None:
    """Write a file beside its place, and put it there once it is on the disk."""
    fresh = path.with_name(path.name + NEW)
    fresh.write_text(text, encoding="utf-8")
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to write into, which takes its place once it is on the disk.

    What was at `path` is replaced. Between the two renames that this takes there is nothing at
    `path`; a folder of a new name never has that moment.
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
    """Remove what writers that were killed left in a folder."""
    for path in [*folder.glob("*" + NEW), *folder.glob("*" + OLD)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
