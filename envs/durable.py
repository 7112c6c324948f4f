"""Atomic writing of files and folders, which a killed process never leaves half-written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anchorgym.envs.errors import AnchorgymError

NEW, OLD = ".anchorgym-new", ".anchorgym-old"
"""Endings of files that are being written, and of files that are about to be replaced: names that
nobody else gives a file, as whatever has such a name is removed."""


class ForeignFilesError(AnchorgymError, FileExistsError):
    """A folder that would be replaced holds files that the new one does not."""


def write_file(path: Path, text: str) -> None:
    """Write a text file, see `whole_file`."""
    with whole_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which is renamed to `path` once it is on the disk.

    The temporary name keeps the ending of `path`, by which some writers choose a format.
    """
    fresh = path.with_name(f"{path.stem}{NEW}{path.suffix}")
    yield fresh
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)


def append(path: Path, text: str) -> None:
    """Append to a text file, which is on the disk afterwards."""
    fresh = not path.exists()
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        sync(path.parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write into, which is renamed to `path` once it is on the disk.

    A folder at `path` is replaced by two renames, between which `path` does not exist for a moment;
    a new folder takes only one.

    Raises:
        ForeignFilesError: `path` holds files that the new folder does not, so that they would be
            lost.
    """
    fresh, stale = path.with_name(path.name + NEW), path.with_name(path.name + OLD)
    for leftover in (fresh, stale):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    yield fresh
    _require_replaceable(path, fresh)
    for folder, _, names in os.walk(fresh, topdown=False):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))
    if path.exists():
        path.rename(stale)
    fresh.rename(path)
    sync(path.parent)
    shutil.rmtree(stale, ignore_errors=True)


def _require_replaceable(path: Path, fresh: Path) -> None:
    if not path.exists():
        return
    there, made = (
        {inner.relative_to(folder) for inner in folder.rglob("*")} for folder in (path, fresh)
    )
    if path.is_dir() and there <= made:
        return
    shutil.rmtree(fresh, ignore_errors=True)
    what = f"holds {str(min(there - made))!r}" if path.is_dir() else "is a file"
    raise ForeignFilesError(
        f"{path} {what}, which would be lost: move it away, or give another folder"
    )


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that killed writers left in a folder."""
    for path in [*folder.glob(f"*{NEW}*"), *folder.glob("*" + OLD)]:
        remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
