"""Storage of a league: its players (`league.json`) and all games (`games.jsonl`).

Games are appended, one block a line, each line with a checksum. A line that was only partly written
when the process was killed is dropped when the league is opened again; its games are played again
with the same seed. Any other inconsistency is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anchorgym.envs.durable import append, write_file
from anchorgym.envs.errors import reason_of
from anchorgym.envs.texts import parse_json
from anchorgym.training.league.rules import LeagueError, Rules
from anchorgym.training.league.table import Block

FORMAT = 1
_LEAGUE, _GAMES = "league.json", "games.jsonl"


class StoredLeague(NamedTuple):
    """The content of `league.json`."""

    rules: Rules
    players: dict[str, list[str]]
    history: list[Any]


class Store:
    """The folder of a league.

    Args:
        folder: path of the folder, which is made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        """Whether the folder holds a league."""
        return (self.folder / _LEAGUE).is_file()

    def write(self, rules: Rules, players: Mapping[str, list[str]], history: list[Any]) -> None:
        """Write all but the games, atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        body = {
            "format": FORMAT,
            "rules": asdict(rules),
            "players": players,
            "history": history,
        }
        write_file(self.folder / _LEAGUE, json.dumps(body, indent=1) + "\n")

    def read(self) -> StoredLeague:
        """Read `league.json`.

        Raises:
            LeagueError: the folder holds no league, or it cannot be read.
        """
        path = self.folder / _LEAGUE
        try:
            body = parse_json(path.read_text(encoding="utf-8"))
            if body["format"] != FORMAT:
                raise LeagueError(f"{path} has format {body['format']}, not {FORMAT}")
            rules = body["rules"]
            known = {**rules, "sides": tuple(rules["sides"]), "bounds": tuple(rules["bounds"])}
            players = {
                side: [str(name) for name in body["players"][side]] for side in known["sides"]
            }
            return StoredLeague(Rules(**known), players, list(body["history"]))
        except FileNotFoundError as error:
            raise LeagueError(f"{self.folder} holds no league") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, LeagueError):
                raise
            raise LeagueError(
                f"{path} cannot be read as a league ({reason_of(error)}): put it back as it was, "
                "or give another folder"
            ) from error

    def append(self, block: Block) -> None:
        """Append games, and return when they are on the disk."""
        append(self.folder / _GAMES, _line(block))

    def blocks(self) -> Iterator[Block]:
        """Read all games in the order in which they were added; drop a partly written last line.

        Raises:
            LeagueError: a complete line is damaged.
        """
        path = self.folder / _GAMES
        if not path.exists():
            return
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                yield _block(parse_json(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise LeagueError(
                    f"line {number} of {path} is damaged ({reason_of(error)}): remove that line "
                    "and those after it, and the games in them are played again"
                ) from error


def _line(block: Block) -> str:
    body = {
        "row": block.row,
        "column": block.column,
        "block": block.number,
        "payoffs": block.payoffs.tolist(),
    }
    return json.dumps({**body, "check": _check(body)}, separators=(",", ":")) + "\n"


def _block(body: dict[str, Any]) -> Block:
    if body.pop("check") != _check(body):
        raise ValueError("its checksum differs")
    payoffs = np.array(body["payoffs"], dtype=np.float64).reshape(-1, 2)
    return Block(body["row"], body["column"], body["block"], payoffs)


def _check(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
