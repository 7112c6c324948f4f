"""A cache of which official games are playable, so that their files are opened only once.

It is kept in the user's cache folder (or `ANCHORGYM_CACHE`), one file for each split of each
data folder. An index counts only for exactly the game files it was made from: same names, sizes
and times. It is written whole or not at all, and a cache that cannot be read or written costs
time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from anchorgym.envs.cache import cache_folder, write_whole

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
        write_whole(_index_path(folder), json.dumps(stored))
    except (OSError, RuntimeError, ValueError) as error:
        _log.debug("cannot store the index of %s: %r", folder, error)


def _index_path(folder: Path) -> Path:
    digest = hashlib.blake2b(os.fsencode(folder), digest_size=16).hexdigest()
    return cache_folder() / "alfworld" / f"{digest}.json"


def _fingerprint(files: Sequence[GameFile]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(os.fsencode(f"{file.task}\0{file.size}\0{file.mtime_ns}\0"))
    return digest.hexdigest()
