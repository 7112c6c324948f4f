"""The players of a league that an evaluation grows by and by, in `players.json`.

What a name stands for, and the settings of the games, stay as they were when it joined, since the
games that are kept were played so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from anchorgym.envs.durable import write_file
from anchorgym.envs.texts import parse_json
from anchorgym.training.league.rules import LeagueError

_PLAYERS = "players.json"


def distinct(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what each name stands for.

    Raises:
        LeagueError: a name is empty or not printable, or stands for two players.
    """
    found: dict[str, str] = {}
    for name, where in pairs:
        if not (name and name.isprintable()):
            raise LeagueError(f"a player is named by a printable string, not {name!r}")
        if found.setdefault(name, where) != where:
            raise LeagueError(
                f"{name} is {found[name]} and {where}: give one of them another name, as "
                f"NAME={where}"
            )
    return found


class Roster:
    """The players of all calls so far, and those of this one.

    Nothing is written before `write`, so that a call that is refused leaves no trace.

    Args:
        folder: folder of the evaluation.
        players: what each name stands for in this call.
        settings: settings of the games, as JSON values.

    Raises:
        LeagueError: the folder holds games with other settings, or of another player of that name;
            or its file cannot be read.
    """

    def __init__(
        self, folder: Path, players: Mapping[str, str], settings: Mapping[str, Any]
    ) -> None:
        self._path = folder / _PLAYERS
        self._settings = dict(settings)
        kept, before = self._read()
        if before is not None and before != self._settings:
            raise LeagueError(
                f"{folder} holds games with the settings {before}: give another folder"
            )
        for name, where in players.items():
            if kept.get(name, where) != where:
                raise LeagueError(
                    f"{folder} holds games of other players {[name]}, as {name} was "
                    f"{kept[name]}: give another folder, or another name"
                )
        self.players = {**kept, **players}
        """What each name stands for, those of earlier calls first."""

    def write(self) -> None:
        """Write the players, once they are known to exist."""
        body = {"players": self.players, "settings": self._settings}
        write_file(self._path, json.dumps(body, indent=1) + "\n")

    def _read(self) -> tuple[dict[str, str], dict[str, Any] | None]:
        try:
            body = parse_json(self._path.read_text(encoding="utf-8"))
            players = {str(name): str(where) for name, where in body["players"].items()}
            return players, dict(body["settings"])
        except (FileNotFoundError, NotADirectoryError):
            return {}, None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LeagueError(
                f"{self._path} cannot be read ({type(error).__name__}): put it back as it was, or "
                "give another folder"
            ) from error
