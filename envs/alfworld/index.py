"""A cache of which official games are playable, so that their files are opened only once.

It is kept in the user's cache folder (or `ANCHORGYM_CACHE`), one file for each split of each
data folder. An index counts only for exactly the game files it was made from: same names, sizes
and times. It is written whole or not at all, and a cache that cannot be read or written costs
time and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

CACHE_VARIABLE: Final = "ANCHORGYM_CACHE"
_FORMAT: Final = 1
_log = logging.getLogger(__name__)


class GameFile(NamedTuple):
    """A game file as a listing of its folder shows it."""

    task: str
    size: int
    mtime_ns: int


def load_index(folder: Path, files: Sequence[GameFile]) -> tuple[str, ...] | None:
    """Return the playable tasks among sorted files as stored, or None where that is unknown."""
    try:
        stored = json.loads(_index_path(folder).read_bytes())
        if stored["format"] != _FORMAT or stored["files"] != _fingerprint(files):
            return None
        tasks = tuple(stored["tasks"])
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, RecursionError) as error:
        _log.debug("no index of %s: %r", folder, error)
        return None
    return tasks if {file.task for file in files}.issuperset(tasks) else None


def store_index(folder: Path, files: Sequence[GameFile], tasks: Sequence[str]) -> None:
    """Store which tasks among sorted files are playable; failing to is no failure."""
    stored = {
        "format": _FORMAT,
        "folder": str(folder),
        "files": _fingerprint(files),
        "tasks": list(tasks),
    }
    try:
        _write_whole(_index_path(folder), json.dumps(stored))
    except (OSError, RuntimeError, ValueError) as error:
        _log.debug("cannot store the index of %s: %r", folder, error)


def cache_folder() -> Path:
    """Return the folder for cached files.

    Raises:
        RuntimeError: the user has no home folder.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "anchorgym"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "anchorgym"
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "anchorgym"


def _index_path(folder: Path) -> Path:
    digest = hashlib.blake2b(os.fsencode(folder), digest_size=16).hexdigest()
    return cache_folder() / "alfworld" / f"{digest}.json"


def _fingerprint(files: Sequence[GameFile]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(os.fsencode(f"{file.task}\0{file.size}\0{file.mtime_ns}\0"))
    return digest.hexdigest()


def _write_whole(path: Path, text: str) -> None:
    """Write a file that other processes see as it was or as it will be, never in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
