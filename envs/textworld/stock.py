"""The stock engine: imported when it is needed, and kept from files that would harm it."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from anchorgym.envs.errors import CorruptGameError, requires_extra
from anchorgym.envs.textworld.words import ending

SEED: Final = 20181
"""Seed of the interpreter's random generator: every game takes the same course every time."""
GAMES_KEPT: Final = 32
"""Compiled games whose logic is kept, of those played last; reading one takes up to a second."""
_UNITS: Final = {1: 2, 2: 2, 3: 2, 4: 4, 5: 4, 6: 8, 7: 8, 8: 8}
"""The unit, in bytes, of the file length in the header, by version of the Z-machine."""


def module(name: str) -> Any:
    """Import a module of the stock engine.

    Raises:
        MissingExtraError: it is not installed.
    """
    with requires_extra("textworld", "anchorgym/TextWorld-v0"):
        return importlib.import_module(name)


class Machine:
    """An interpreter (`jericho.FrotzEnv`) for a story file; an answer is its text alone.

    Raises:
        CorruptGameError: the file is damaged; also by `reset` and `step`, where the damage is met.
        MissingExtraError: the stock engine is not installed.
    """

    def __init__(self, file: Path) -> None:
        jericho = module("jericho")
        _check_story(file)
        self._file = file
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it knows nothing of the game's insides
            self._frotz = jericho.FrotzEnv(str(file), seed=SEED)

    def reset(self) -> str:
        """Start the story, and return its first words."""
        return self._sound(self._frotz.reset)

    def step(self, command: str) -> str:
        """Give a command, and return the answer."""
        return self._sound(lambda: self._frotz.step(command))

    def __getattr__(self, name: str) -> Any:
        """Return what else the interpreter can do."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._frotz, name)

    def _sound(self, ask: Callable[[], Any]) -> str:
        """Return an answer, unless the interpreter has halted on a fault of the story.

        It goes on to answer then, with nothing but a notice of that.
        """
        try:
            text = str(ask()[0])
        except UnicodeDecodeError as error:
            raise self._fault(f"it writes what is no text: {error}") from error
        if self._frotz._emulator_halted() and not any(ending(text)):
            said = " ".join(text.split())[-120:]
            raise self._fault(f"the interpreter has halted, and says {said!r}")
        return text

    def _fault(self, problem: str) -> CorruptGameError:
        return CorruptGameError(f"the story file {str(self._file)!r} is damaged: {problem}")


def logic(file: Path) -> Any:
    """Return the logic of a game (`textworld.Game`) from its .json.

    Raises:
        CorruptGameError: the file holds none.
    """
    status = file.stat()
    return _logic(file, status.st_mtime_ns, status.st_size)


@lru_cache(GAMES_KEPT)
def _logic(file: Path, modified: int, size: int) -> Any:
    textworld = module("textworld")
    try:
        return textworld.Game.load(str(file))
    except Exception as error:  # whatever its reader stumbles over
        raise CorruptGameError(f"{str(file)!r} holds no TextWorld game: {error!r}") from error


def _check_story(file: Path) -> None:
    """Check length and sum as the header gives them: the interpreter ends the process on faults.

    The header is that of The Z-Machine Standards Document 1.1, section 11.
    """
    story = file.read_bytes()
    if len(story) < 64 or story[0] not in _UNITS:
        raise CorruptGameError(f"{str(file)!r} is no story file for the Z-machine")
    length = int.from_bytes(story[0x1A:0x1C], "big") * _UNITS[story[0]]
    wanted = int.from_bytes(story[0x1C:0x1E], "big")
    if length > len(story) or (length and wanted != sum(story[0x40:length]) & 0xFFFF):
        raise CorruptGameError(f"the story file {str(file)!r} is damaged: get it again")
