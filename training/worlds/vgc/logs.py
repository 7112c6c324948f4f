"""Demonstrations from people's battle logs in Showdown's protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from anchorgym.envs.errors import DataError
from anchorgym.envs.vgc.actions import mask
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.env import tokens
from anchorgym.envs.vgc.errors import BridgeError
from anchorgym.envs.vgc.records import Seat
from anchorgym.training.worlds.vgc.demonstrations import Demonstrations, from_rows

_ENDINGS = (".log", ".txt", ".json", ".html")


def read_logs(folder: Path, format: str, bridge: Bridge) -> Demonstrations:
    """Return the decisions of the players in a folder's logs.

    A log does not contain everything that its players knew, see js/logs.js; decisions that were not
    carried out, and replacements of fainted Pokémon, are left out.

    Args:
        folder: folder of `*.log`, `*.txt` or `*.html` files of protocol lines, or `*.json` replays.
        format: format of the battles; logs of other kinds of game are skipped.
        bridge: bridge to the simulator, which parses the logs.

    Raises:
        DataError: the folder has no usable log.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {str(folder)!r}: name one of battle logs")
    layout, rows, battle = bridge.layout(format), [], 0
    for lines in _logs(folder):
        if "|gametype|doubles" not in lines:
            continue
        try:
            found = bridge.read_log(format, lines)
        except BridgeError:  # a log of another generation, or an incomplete one
            continue
        for decision in found["decisions"]:
            seat: Seat = {"legal": decision["legal"], "tokens": decision["tokens"]}
            won = found["winner"]
            payoff = 0.0 if won is None else 1.0 if won == decision["seat"] else -1.0
            one, two = decision["pair"]
            rows.append((tokens(seat, layout), mask(seat["legal"]), (one, two), payoff, battle))
        battle += 1
    if not rows:
        raise DataError(
            f"{str(folder)!r} holds no log of a double battle ({', '.join(_ENDINGS)}): logs are "
            "lines of Showdown's protocol, or its replays as JSON"
        )
    return from_rows(rows)


def _logs(folder: Path) -> Iterator[list[str]]:
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _ENDINGS):
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".json":
            try:
                text = str(json.loads(text)["log"])
            except (ValueError, KeyError, TypeError):
                continue
        yield [line for line in text.splitlines() if line.startswith("|")]
