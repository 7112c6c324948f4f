"""A cache of which official games are playable, so that their files are opened only once.

It is kept in the user's cache folder (or `ANCHORGYM_CACHE`), one for each split of each data
folder. An index counts only for exactly the game files it was made from: same names, sizes, times
and places on the disk. A cache that is damaged, or cannot be read or written, costs time and
nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from anchorgym.envs.cache import kept

_FORMAT: Final = 2
_FILE: Final = "index.json"


class GameFile(NamedTuple):
    """A game file as a listing of its folder shows it."""

    task: str
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    """Time of the last change of any kind, which nobody sets back."""
    inode: int = 0

    @classmethod
    def of(cls, task: str, status: os.stat_result) -> GameFile:
        """Return the game file of a status."""
        return cls(task, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def kept_index(
    folder: Path, files: Sequence[GameFile], make: Callable[[], tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the playable tasks of a split, from the cache or made.

    Args:
        folder: of the split.
        files: its game files, sorted.
        make: opens the files and returns the playable tasks.
    """
    place = hashlib.blake2b(os.fsencode(folder), digest_size=16).hexdigest()
    return kept(
        f"alfworld/{place}",
        f"{_FORMAT} {_fingerprint(files)}",
        make=make,
        save=_save,
        load=lambda stored: tuple(json.loads((stored / _FILE).read_text(encoding="utf-8"))),
    )


def _save(tasks: tuple[str, ...], folder: Path) -> None:
    (folder / _FILE).write_text(json.dumps(tasks), encoding="utf-8")


def _fingerprint(files: Sequence[GameFile]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(os.fsencode("\0".join(map(str, file)) + "\0"))
    return digest.hexdigest()
