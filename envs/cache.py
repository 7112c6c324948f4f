"""The user's cache folder, for results that are computed once."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "ANCHORGYM_CACHE"


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


def write_whole(path: Path, text: str) -> None:
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


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder that other processes see complete or not at all.

    Where another process was quicker, its folder stays.

    Args:
        path: the folder.
        fill: writes the files into a folder that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp"))
    try:
        fill(fresh)
        fresh.rename(path)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
