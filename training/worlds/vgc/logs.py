"""Demonstrations from people's battle logs in Showdown's protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anchorgym.envs.errors import DataError
from anchorgym.envs.vgc.actions import mask
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.env import tokens
from anchorgym.envs.vgc.errors import BridgeError
from anchorgym.envs.vgc.records import Seat
from anchorgym.training.worlds.vgc.demonstrations import Demonstrations, from_rows
from anchorgym.training.worlds.vgc.log_files import ENDINGS, LogError, read_game

_NAMED = 5
"""Most files that an error names."""


@dataclass(frozen=True, slots=True)
class LogReading:
    """What was read from a folder of logs.

    Attributes:
        shown: decisions of both players of all whole games.
        games: number of games that they are from.
        left_out: why a file was left out, by its path.
    """

    shown: Demonstrations
    games: int
    left_out: dict[Path, str]


def read_logs(folder: Path, format: str, bridge: Bridge) -> LogReading:
    """Return the decisions of the players in a folder's logs.

    Whole games of the format count; every other file is left out with a reason. A log does not
    contain everything that its players knew, see js/logs.js; decisions that were not carried out,
    and replacements of fainted Pokémon, are left out.

    Args:
        folder: folder of `*.log` or `*.txt` files of protocol lines, `*.json` replays, or `*.html`
            pages of replays.
        format: id of the games' format.
        bridge: bridge to the simulator, which parses the logs.

    Raises:
        DataError: the folder has no usable log.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {str(folder)!r}: name one of battle logs")
    layout, rows, games = bridge.layout(format), [], 0
    left_out: dict[Path, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS):
        try:
            game = read_game(path, format)
            decisions = bridge.read_log(format, game.lines)
        except (LogError, BridgeError) as error:
            left_out[path] = str(error)
            continue
        if not decisions:
            left_out[path] = "it shows no decision: it ended before any was carried out"
            continue
        for decision in decisions:
            seat: Seat = {"legal": decision["legal"], "tokens": decision["tokens"]}
            won = game.winner
            payoff = 0.0 if won is None else 1.0 if won == decision["seat"] else -1.0
            one, two = decision["pair"]
            rows.append((tokens(seat, layout), mask(seat["legal"]), (one, two), payoff, games))
        games += 1
    if not rows:
        raise DataError(
            f"{str(folder)!r} holds no log of a whole game of {format} ({', '.join(ENDINGS)}): "
            "logs are lines of Showdown's protocol, or its replays as JSON or HTML. "
            f"{_listed(left_out)}"
        )
    return LogReading(from_rows(rows), games, left_out)


def _listed(left_out: dict[Path, str]) -> str:
    named = [f"{path.name}: {reason}" for path, reason in left_out.items()][:_NAMED]
    more = f"; and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    return "; ".join(named) + more
