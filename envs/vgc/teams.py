"""Teams: made without end from the simulator's own sets, or read from a folder of pastes.

A team has a name, and a name is the same team on every machine. Training takes teams from a set
of a given size; the teams of the unseen split are in no such set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from anchorgym.envs.errors import DataError, OptionError, UnknownSplitError, UnknownTaskError
from anchorgym.envs.vgc.bridge import shared_bridge
from anchorgym.envs.vgc.errors import TeamError
from anchorgym.envs.vgc.records import Seed, seed_of

SPLITS: Final = ("train", "unseen")
TEAM_SET_SIZES: Final = (1, 4, 16, 64)
"""The sizes that are compared with each other; any other works too."""
N_UNSEEN: Final = 72
"""Generated teams of the unseen split, as many as VGC-Bench evaluates on."""
VERSUS: Final = " vs "
PASTE: Final = ".txt"
"""How the names of files of pastes end, in any case."""

_FORM: Final = "A task is '<team> vs <team>', such as 't0 vs t3'."


class TeamSource(Protocol):
    """Teams by name."""

    def names(self, split: str) -> Sequence[str]:
        """Return the names of a split's teams.

        Raises:
            UnknownSplitError: there is no such split.
        """
        ...

    def team(self, name: str) -> str:
        """Return the packed team of a name.

        Raises:
            UnknownTaskError: there is no such team.
            TeamError: it cannot be read, or the format does not allow it.
        """
        ...


class GeneratedTeams:
    """Teams `t0`, `t1`, … for training and `u0`, `u1`, … that no training set holds.

    Args:
        format: whose rules they keep.
        size: how many teams the training split has.
    """

    def __init__(self, format: str, size: int) -> None:
        if size < 1:
            raise OptionError(f"a set of teams holds at least 1, not {size}")
        self.format = format
        self.size = size

    def names(self, split: str) -> Sequence[str]:
        """Return the names of a split's teams; names beyond them are teams too."""
        letter, count = {"train": ("t", self.size), "unseen": ("u", N_UNSEEN)}[known_split(split)]
        return tuple(f"{letter}{number}" for number in range(count))

    def team(self, name: str) -> str:
        """Return the packed team of a name; see `TeamSource.team`."""
        number = name[1:]
        if name[:1] not in ("t", "u") or not (number.isascii() and number.isdigit()):
            raise UnknownTaskError(
                name, hint=f"{_FORM} Generated teams are t0, t1, … and u0, u1, …"
            )
        return _generated(self.format, f"{name[:1]}{int(number)}")


class PastedTeams:
    """The teams of a folder: a file `<name>.txt` each, in the export format of team builders.

    Which files the training split takes follows from their names alone; all others are unseen. All
    files are read when this is made, so that every task can be started.

    Args:
        folder: holds the files.
        format: whose rules the teams have to keep.
        size: how many teams the training split takes.

    Raises:
        DataError: the folder does not hold that many.
        TeamError: a file cannot be read, is no team that the format allows, or has a name that no
            task can hold; the message names the file.
    """

    def __init__(self, folder: str | os.PathLike[str], format: str, size: int) -> None:
        self.folder = Path(os.path.expandvars(str(folder))).expanduser()
        self.format = format
        if not self.folder.is_dir():
            raise DataError(f"there is no folder {str(self.folder)!r}: name one of team pastes")
        files = _named(path for path in self.folder.iterdir() if path.suffix.lower() == PASTE)
        names = sorted(files, key=_shuffled)
        if not 1 <= size <= len(names):
            raise DataError(
                f"{str(self.folder)!r} holds {len(names)} team pastes (*{PASTE}), and a training "
                f"set of {size} is asked for: add pastes, or ask for fewer with teams=…"
            )
        self._names = {"train": tuple(names[:size]), "unseen": tuple(names[size:])}
        self._teams = {name: _pasted(files[name], format) for name in names}

    def names(self, split: str) -> Sequence[str]:
        """Return the names of a split's teams."""
        return self._names[known_split(split)]

    def team(self, name: str) -> str:
        """Return the packed team of a file; see `TeamSource.team`."""
        if name not in self._teams:
            raise UnknownTaskError(name, self._teams, _FORM)
        return self._teams[name]


def pairings(source: TeamSource, split: str) -> tuple[str, ...]:
    """Return the tasks of a split: each of its teams against each, itself included."""
    names = source.names(split)
    return tuple(f"{one}{VERSUS}{two}" for one in names for two in names)


def teams_of(source: TeamSource, task: str) -> tuple[str, str]:
    """Return the packed teams of both players.

    Raises:
        UnknownTaskError: the task names no two teams.
    """
    one, versus, two = task.partition(VERSUS)
    if not versus:
        raise UnknownTaskError(task, hint=_FORM)
    try:
        return source.team(one), source.team(two)
    except UnknownTaskError as error:
        raise UnknownTaskError(task, hint=str(error)) from error


def known_split(split: str) -> str:
    """Return a split's name.

    Raises:
        UnknownSplitError: there is no such split.
    """
    if split not in SPLITS:
        raise UnknownSplitError(split, SPLITS)
    return split


def seed_from(text: str) -> Seed:
    """Return the simulator's seed that a text stands for, the same on every machine."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return seed_of(int.from_bytes(digest[i : i + 2], "big") for i in range(0, 8, 2))


@lru_cache(maxsize=4096)
def _generated(format: str, name: str) -> str:
    return shared_bridge().make_team(format, seed_from(f"team {format} {name}"))


def _named(paths: Iterable[Path]) -> dict[str, Path]:
    """Return pastes by the names of their teams.

    Raises:
        TeamError: two have one name, or no task can hold a name.
    """
    files: dict[str, Path] = {}
    for path in sorted(paths):
        name, problem = path.stem, ""
        if not name.isprintable() or name != name.strip():
            problem = "has blanks around it, or characters that cannot be printed"
        elif (name + VERSUS).index(VERSUS) < len(name):
            problem = f"holds {VERSUS!r}, which stands between the two teams of a task"
        elif name in files:
            problem = f"is that of {files[name].name!r} too"
        if problem:
            raise TeamError(f"the name of the team of {str(path)!r} {problem}: rename the file")
        files[name] = path
    return files


def _pasted(path: Path, format: str) -> str:
    """Return the packed team of a file.

    Raises:
        TeamError: it cannot be read, or the format does not allow it.
    """
    try:
        return shared_bridge().read_paste(format, path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, TeamError) as error:
        raise TeamError(f"the team of {str(path)!r} cannot be played: {error}") from error


def _shuffled(name: str) -> str:
    return hashlib.blake2b(name.encode()).hexdigest()
