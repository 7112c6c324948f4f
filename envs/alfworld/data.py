"""Sources of games: the official data, or the generator."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

from anchorgym.envs.alfworld.game import TASK_TYPES, Game
from anchorgym.envs.alfworld.generator import TaskId, generated_game, panel
from anchorgym.envs.alfworld.index import GameFile, kept_index
from anchorgym.envs.errors import CorruptGameError, DataError, UnknownSplitError, UnknownTaskError
from anchorgym.envs.texts import parse_json

SPLITS: Final = ("train", "valid_seen", "valid_unseen")
DATA_VARIABLE: Final = "ALFWORLD_DATA"
DATA_FOLDER: Final = "json_2.1.1"
GAME_FILE: Final = "game.tw-pddl"
GAMES_KEPT: Final = 512
"""Compiled games that a source keeps, of those played last; one takes some 30 KB."""

_REMEDY: Final = (
    f"Give the folder that holds {DATA_FOLDER}/ (where `alfworld-download` of the alfworld "
    f"package put it) as data=… or in {DATA_VARIABLE}; without both, generated games are played."
)
_TASK_FORM: Final = (
    "An official task is <task folder>/<trial folder>, such as "
    "pick_and_place_simple-Mug-None-Desk-308/trial_T20190909_210238_431966."
)
_REPAIR: Final = (
    "Download it again with `alfworld-download --force`, or delete its folder to leave it out."
)


class GameSource(Protocol):
    """Games by task id, in splits."""

    def tasks(self, split: str) -> Sequence[str]:
        """Return the task ids of a split, the same on every machine.

        Raises:
            UnknownSplitError: no source has such a split.
            DataError: the data of that split is missing or broken.
        """
        ...

    def game(self, task_id: str) -> Game:
        """Return a game, of any split.

        Raises:
            UnknownTaskError: there is no such task.
            CorruptGameError: its file cannot be read as a game.
        """
        ...

    def task_type(self, task_id: str) -> str:
        """Return which of the six official task types an id is of.

        Raises:
            UnknownTaskError: there can be no such task.
        """
        ...


def game_source(data: str | os.PathLike[str] | None = None) -> GameSource:
    """Return the official games of a folder, or generated ones.

    Args:
        data: the folder that holds `json_2.1.1/`. By default the environment variable
            ALFWORLD_DATA names it; games are generated where that is not set either.

    Raises:
        DataError: the folder named holds no official games.
    """
    folder = os.fspath(data) if data is not None else os.environ.get(DATA_VARIABLE)
    if not folder and data is None:
        return generated_games()
    path = Path(os.path.expandvars(str(folder))).expanduser()
    return official_games(path.resolve())


class GeneratedGames:
    """The games of the generator, endless by seed."""

    def __init__(self) -> None:
        self._game = lru_cache(GAMES_KEPT)(generated_game)

    def tasks(self, split: str) -> Sequence[str]:
        """Return the panel of a split; ids beyond it are playable too."""
        return panel(split)

    def game(self, task_id: str) -> Game:
        """Return the game of an id; see `GameSource.game`."""
        return self._game(task_id)

    def task_type(self, task_id: str) -> str:
        """Return the task type of an id; see `GameSource.task_type`."""
        return TASK_TYPES[TaskId.parse(task_id).kind]


class OfficialGames:
    """The official text games of a folder: `json_2.1.1/<split>/<task>/<trial>/game.tw-pddl`.

    A task id is "<task folder>/<trial folder>". As by the official loader, games of other than
    the six task types, with movable receptacles or with sliced objects are left out, and those
    not marked as solvable.

    Args:
        folder: the folder that holds `json_2.1.1/`.

    Raises:
        DataError: it does not.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / DATA_FOLDER
        if not folder.is_dir():
            raise DataError(f"there is no folder {str(folder)!r}. {_REMEDY}")
        if not self.root.is_dir():
            if folder.name == DATA_FOLDER or _splits_in(folder):
                raise DataError(f"give the folder above {str(folder)!r}, not itself. {_REMEDY}")
            raise DataError(f"{str(folder)!r} does not hold {DATA_FOLDER}/. {_REMEDY}")
        self.splits = _splits_in(self.root)
        if not self.splits:
            raise DataError(f"{str(self.root)!r} holds none of {', '.join(SPLITS)}. {_REMEDY}")
        self._tasks: dict[str, tuple[str, ...]] = {}
        self._game = lru_cache(GAMES_KEPT)(self._read_game)

    def tasks(self, split: str) -> Sequence[str]:
        """Return the sorted task ids of a split; see `GameSource.tasks`."""
        if split not in self._tasks:
            self._require(split)
            self._tasks[split] = self._index(split)
        return self._tasks[split]

    def game(self, task_id: str) -> Game:
        """Return a game, from memory if it was played lately; see `GameSource.game`."""
        return self._game(task_id)

    def task_type(self, task_id: str) -> str:
        """Return the task type of an id; see `GameSource.task_type`."""
        task, _, trial = task_id.partition("/")
        if not (_is_supported(task) and _is_name(trial)):
            raise UnknownTaskError(task_id, hint=_TASK_FORM)
        return task.partition("-")[0]

    def _require(self, split: str) -> None:
        if split not in SPLITS:
            raise UnknownSplitError(split, SPLITS)
        if split not in self.splits:
            raise DataError(
                f"{str(self.root)!r} lacks the split {split!r}; it has: "
                f"{', '.join(self.splits)}. Download the data again, or choose one of these."
            )

    def _index(self, split: str) -> tuple[str, ...]:
        files = sorted(self._files(split))
        folder = self.root / split
        tasks = kept_index(
            folder,
            files,
            lambda: tuple(file.task for file in files if _is_solvable(folder / file.task)),
        )
        if not tasks:
            raise DataError(
                f"{str(folder)!r} holds 0 games: no solvable <task>/<trial>/{GAME_FILE}. {_REMEDY}"
            )
        return tasks

    def _files(self, split: str) -> Iterator[GameFile]:
        for task in _folders(self.root / split):
            if not _is_supported(task.name):
                continue
            for trial in _folders(Path(task.path)):
                try:
                    status = os.stat(os.path.join(trial.path, GAME_FILE))
                except OSError:
                    continue
                yield GameFile.of(f"{task.name}/{trial.name}", status)

    def _read_game(self, task_id: str) -> Game:
        path = self._find(task_id)
        try:
            data = _read_json(path)
            if data.get("solvable") is not True:
                raise UnknownTaskError(
                    task_id, hint=f"{str(path)!r} is not marked as solvable, and so left out."
                )
            return Game.from_json(data, task_id)
        except CorruptGameError as error:
            raise CorruptGameError(
                f"{str(path)!r} cannot be read as a game: {error}. {_REPAIR}"
            ) from error

    def _find(self, task_id: str) -> Path:
        task, _, trial = task_id.partition("/")
        if _is_name(task) and _is_name(trial) and _is_supported(task):
            for split in self.splits:
                path = self.root / split / task / trial / GAME_FILE
                if path.is_file():
                    return path
        raise UnknownTaskError(task_id, self._close_to(task_id), _TASK_FORM)

    def _close_to(self, task_id: str) -> list[str]:
        """Return the ids whose task folders are most like an unknown id's."""
        trials: dict[str, list[str]] = defaultdict(list)
        for split in self.splits:
            for file in self._files(split):
                trials[file.task.partition("/")[0]].append(file.task)
        near = difflib.get_close_matches(task_id.partition("/")[0][:200], trials, n=3, cutoff=0.3)
        return [task for folder in near for task in trials[folder]]


@lru_cache(maxsize=1)
def generated_games() -> GeneratedGames:
    """Return the generated games, shared by all environments of this process."""
    return GeneratedGames()


@lru_cache(maxsize=8)
def official_games(folder: Path) -> OfficialGames:
    """Return the official games of a folder, shared by all environments of this process."""
    return OfficialGames(folder)


def _splits_in(folder: Path) -> tuple[str, ...]:
    return tuple(split for split in SPLITS if (folder / split).is_dir())


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if entry.is_dir()]


def _is_supported(task_folder: str) -> bool:
    if "movable" in task_folder or "Sliced" in task_folder:
        return False
    return task_folder.partition("-")[0] in TASK_TYPES.values()


def _is_name(text: str) -> bool:
    return text not in ("", ".", "..") and not set(text) & set("/\\\0:")


def _is_solvable(trial: Path) -> bool:
    try:
        return _read_json(trial / GAME_FILE).get("solvable") is True
    except CorruptGameError:
        return True  # listed, so that whoever plays it learns what is wrong with it


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CorruptGameError(str(error)) from error
    if not isinstance(data, dict):
        raise CorruptGameError("it holds no JSON object")
    return data
