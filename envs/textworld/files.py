"""Game files by split and task id."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from anchorgym.envs.errors import DataError, OptionError, UnknownSplitError, UnknownTaskError

SPLITS: Final = ("train", "valid", "test")
Games = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A folder of games, one game, or several."""

PLAYABLE: Final = re.compile(r"\.(z[1-8]|tw-pddl)$")
_COMPANION: Final = ".json"
_ID: Final = re.compile(r"(?P<name>.+)@[0-9a-f]{12}")
_NO_TEXT: Final = (
    "it holds a game's logic without its texts; give the .z8 that was compiled with it, and leave "
    "the two beside each other"
)
_NO_GLULX: Final = "textworld has not played Glulx games since 1.7; compile the game as .z8"
_GIVE: Final = "Give a folder of .z8 games, a game file, or a list of game files as games=…"


class GameFiles:
    """The game files of a folder or list, by split and by task id.

    A task id is "<path>@<hash>": the path within the folder (of a list: within the innermost
    folder that holds them all), and 12 hex digits of BLAKE2b over the file and the .json beside
    it. So an id is the same game on every machine, or unknown there.

    Args:
        games: a folder is searched through all its subfolders; where it has any of train/, valid/
            and test/, these are the splits and what lies elsewhere is left out. Everything else
            is "train".

    Raises:
        OptionError: no games were named.
        DataError: what was named is missing, or no game that can be played.
    """

    def __init__(self, games: Games | None) -> None:
        if games is None:
            raise OptionError(f"there are no games to play. {_GIVE}")
        if isinstance(games, str | os.PathLike) and _path(games).is_dir():
            root = self.root = _path(games)
            folders = [root / split for split in SPLITS if (root / split).is_dir()]
            found = {folder.name: _search(folder) for folder in folders} or {"train": _search(root)}
        else:
            named = [games] if isinstance(games, str | os.PathLike) else games
            files = [_playable(_path(game)) for game in named]
            if not files:
                raise DataError(f"the list of games is empty. {_GIVE}")
            self.root = Path(os.path.commonpath([file.parent for file in files]))
            found = {"train": sorted(set(files))}
        self._files = {
            split: {file.relative_to(self.root).as_posix(): file for file in files}
            for split, files in found.items()
            if files
        }
        if not self._files:
            raise DataError(f"{str(self.root)!r} holds no games (.z8 or .tw-pddl). {_GIVE}")
        self._tasks: dict[str, tuple[str, ...]] = {}

    def tasks(self, split: str) -> tuple[str, ...]:
        """Return the sorted task ids of a split; the files are read once.

        Raises:
            UnknownSplitError: there can be no such split.
            DataError: there are no games of that split.
        """
        if split not in SPLITS:
            raise UnknownSplitError(split, SPLITS)
        if split not in self._files:
            raise DataError(
                f"{str(self.root)!r} has no games of split {split!r}, only of "
                f"{', '.join(self._files)}. Put games into its subfolder {split}/."
            )
        if split not in self._tasks:
            files = self._files[split]
            self._tasks[split] = tuple(task_id(name, file) for name, file in files.items())
        return self._tasks[split]

    def find(self, task: str) -> Path:
        """Return the file of a task id, of any split.

        Raises:
            UnknownTaskError: there is no such file, or its content is another.
            DataError: the file has gone.
        """
        parts = _ID.fullmatch(task)
        for files in self._files.values():
            file = files.get(parts["name"] if parts else task)
            if file is not None:
                known = task_id(file.relative_to(self.root).as_posix(), file)
                if known == task:
                    return file
                raise UnknownTaskError(task, [known], "The hash is of another content.")
        names = [name for files in self._files.values() for name in files]
        near = difflib.get_close_matches(task[:200].partition("@")[0], names, n=1)
        hint = f"A task is <path>@<hash>, where <path> leads from {str(self.root)!r} to a game."
        raise UnknownTaskError(task, near, hint)


def task_id(name: str, file: Path) -> str:
    """Return the id of a game file under a name.

    Raises:
        DataError: the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=6)
    try:
        digest.update(file.read_bytes())
        companion = logic_file(file)
        if companion is not None:
            digest.update(companion.read_bytes())
    except OSError as error:
        raise DataError(f"{str(file)!r} cannot be read: {error}") from error
    return f"{name}@{digest.hexdigest()}"


def logic_file(file: Path) -> Path | None:
    """Return the .json beside a story file that TextWorld compiled with it, if there is one."""
    companion = file.with_suffix(_COMPANION)
    return companion if file.suffix == ".z8" and companion.is_file() else None


def _path(game: str | os.PathLike[str]) -> Path:
    return Path(os.path.expandvars(os.fspath(game))).expanduser().absolute()


def _search(folder: Path) -> list[Path]:
    found: Iterable[Path] = folder.rglob("*")
    return sorted(file for file in found if PLAYABLE.search(file.name) and file.is_file())


def _playable(file: Path) -> Path:
    """Return a file that was named if it can be a game."""
    if not file.is_file():
        raise DataError(f"there is no game {str(file)!r}. {_GIVE}")
    if not PLAYABLE.search(file.name):
        why = {".ulx": _NO_GLULX, _COMPANION: _NO_TEXT}.get(file.suffix, "it is of no known kind")
        raise DataError(f"{str(file)!r} cannot be played: {why}. {_GIVE}")
    return file
