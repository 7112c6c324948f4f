"""The user's cache folder, for results that are made once and checked whenever they are read."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

CACHE_VARIABLE: Final = "ANCHORGYM_CACHE"
MANIFEST: Final = "checked.json"
"""Name of the file that lists the files of a cache with their checksums."""
_FORMAT: Final = 1
_BLOCK: Final = 1 << 20
_ATTEMPTS: Final = 5
_LEFT_BEHIND: Final = 24 * 3600.0
"""Age in seconds at which an unfinished folder is taken for that of a process that was killed."""
_SETTLED_NS: Final = 1_000_000_000
"""Age in nanoseconds from which a file's times tell a change from the last one."""
_log = logging.getLogger(__name__)
T = TypeVar("T")

Signature = tuple[tuple[str, int, int, int, int], ...]
"""Name, mode, size and two times of everything in a folder."""
_intact: dict[tuple[Path, str], Signature] = {}
"""What this process found intact; it is not read again while it looks the same."""


def cache_folder() -> Path:
    """Return the folder for cached files, as an absolute path.

    Raises:
        RuntimeError: the user has no home folder.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(os.path.expandvars(chosen)).expanduser().resolve()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "anchorgym"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "anchorgym"
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "anchorgym"


def kept(
    name: str,
    source: str,
    *,
    make: Callable[[], T],
    save: Callable[[T, Path], None],
    load: Callable[[Path], T],
) -> T:
    """Return what the cache holds, or make it and keep it.

    What is damaged, was made from another source or cannot be read is made anew. A cache that
    cannot be written costs time and nothing else.

    Args:
        name: place below the cache folder.
        source: what the result is made from; see `CheckedCache`.
        make: makes the result; its errors are the caller's.
        save: writes the result into an empty folder.
        load: reads it from there.
    """
    try:
        cache = CheckedCache(cache_folder() / name, source)
    except (OSError, RuntimeError) as error:
        _log.info("nothing is kept: %r", error)
        return make()
    fault = cache.fault()
    if not fault:
        try:
            loaded = load(cache.path)
            if not cache.fault():  # another process may have replaced it by that of another source
                return loaded
        except Exception as error:
            fault = repr(error)
    _log.info("%s is made anew: %s", cache.path, fault)
    made = make()
    try:
        cache.write(lambda folder: save(made, folder))
        loaded = load(cache.path)
        return made if cache.fault() else loaded
    except Exception as error:
        _log.info("%s is not kept: %r", cache.path, error)
        return made


class CheckedCache:
    """A folder of files that are kept with their checksums.

    It is written whole or not at all, and counts only while it holds exactly what was written:
    no file more, less or changed by a bit. Processes that write it at once do not harm each other.

    Args:
        path: the folder.
        source: what the files are made from, such as a hash of the data and of the code that
            reads them. Files of another source count as none.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source

    def fault(self) -> str:
        """Return why the files cannot be used; empty where they can."""
        try:
            found = _entries(self.path)
            if MANIFEST not in found or not stat.S_ISREG(found[MANIFEST].lstat().st_mode):
                return f"{MANIFEST} is missing"
            signature = _signature(found)
            if _intact.get((self.path, self.source)) == signature:
                return ""
            body = _unsealed((self.path / MANIFEST).read_bytes())
            fault = self._difference(body, found)
        except (OSError, ValueError) as error:
            return f"{error}"
        if not fault and _is_settled(signature):
            _intact[self.path, self.source] = signature
        return fault

    def write(self, fill: Callable[[Path], None], *, replace: bool = False) -> None:
        """Write the files anew.

        Where another process was quicker, its files stay.

        Args:
            fill: writes the files into an empty folder that it is given.
            replace: replace files that are intact, too.

        Raises:
            OSError: the folder cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(self.path)
        made = Path(
            tempfile.mkdtemp(dir=self.path.parent, prefix=f"{self.path.name}.", suffix=".tmp")
        )
        try:
            fresh = made / "new"
            fresh.mkdir()
            fill(fresh)
            body = {"format": _FORMAT, "source": self.source, "entries": _digests(_entries(fresh))}
            (fresh / MANIFEST).write_bytes(_sealed(json.dumps(body)))
            self._publish(fresh, made, replace)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _difference(self, body: str, found: dict[str, Path]) -> str:
        manifest = json.loads(body)
        if manifest["format"] != _FORMAT or manifest["source"] != self.source:
            return "it was made from another source"
        listed: dict[str, str] = manifest["entries"]
        names = found.keys() - {MANIFEST}
        for name in sorted(listed.keys() - names):
            return f"{name} is missing"
        for name in sorted(names - listed.keys()):
            return f"{name} does not belong there"
        for name, path in found.items():
            if name != MANIFEST and _digest(path) != listed[name]:
                return f"{name} is damaged"
        return ""

    def _publish(self, fresh: Path, aside: Path, replace: bool) -> None:
        """Move a complete folder to its place, and what is there out of the way."""
        for attempt in range(_ATTEMPTS):
            if not replace and not self.fault():
                return
            with suppress(FileNotFoundError):
                self.path.rename(aside / f"old{attempt}")
            try:
                fresh.rename(self.path)
                return
            except OSError:  # a folder that another process put there in between
                if not self.path.exists() or attempt == _ATTEMPTS - 1:
                    raise


def _entries(folder: Path) -> dict[str, Path]:
    """Return everything in a folder by its name, sorted; links are not followed."""
    return dict(sorted((path.relative_to(folder).as_posix(), path) for path in _walk(folder)))


def _walk(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))


def _digests(entries: dict[str, Path]) -> dict[str, str]:
    return {name: _digest(path) for name, path in entries.items()}


def _digest(path: Path) -> str:
    """Return what is at a path: size and SHA-256 of a file, the target of a link, or its kind."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link {os.readlink(path)}"
    if not stat.S_ISREG(mode):
        return f"kind {stat.S_IFMT(mode):o}"
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return f"file {size} {digest.hexdigest()}"


def _signature(entries: dict[str, Path]) -> Signature:
    found = ((name, path.lstat()) for name, path in entries.items())
    return tuple((n, s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for n, s in found)


def _is_settled(signature: Signature) -> bool:
    """Whether a change from now on would change a time, however coarse the clock of files."""
    newest = max((changed for *_, changed in signature), default=0)
    return newest < time.time_ns() - _SETTLED_NS


def _sealed(body: str) -> bytes:
    """Return a text as bytes with a line before it that holds their SHA-256."""
    data = body.encode()
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def _unsealed(data: bytes) -> str:
    """Return the text that was sealed.

    Raises:
        ValueError: the bytes were changed.
    """
    seal, _, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != seal:
        raise ValueError(f"{MANIFEST} is damaged")
    return body.decode()


def _remove_left_behind(path: Path) -> None:
    """Remove what processes that were killed left of their attempts to write a cache."""
    oldest = time.time() - _LEFT_BEHIND
    for left in path.parent.glob(f"{path.name}.*.tmp"):
        with suppress(OSError):
            if left.stat().st_mtime < oldest:
                shutil.rmtree(left, ignore_errors=True)
