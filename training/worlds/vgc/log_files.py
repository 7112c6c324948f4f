"""Files of battle logs: their lines, and whether they are a whole game of a format.

A log is text in Showdown's protocol, the JSON of a replay, or the HTML page of one, whose script
holds the log with each slash written as `\\/`. Only a line feed ends a line: what people write to
each other may hold every other separator that Unicode has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anchorgym.envs.errors import DataError
from anchorgym.envs.texts import parse_json

ENDINGS: Final = (".log", ".txt", ".json", ".html")
_SCRIPT: Final = re.compile(
    r"<script\b[^>]*\bclass\s*=\s*[\"']?(?:battle-log-data|log)\b[^>]*>(.*?)</script\b",
    re.IGNORECASE | re.DOTALL,
)
_ANY_SCRIPT: Final = re.compile(r"<script\b", re.IGNORECASE)
_SERIES: Final = re.compile(r"\(\s*bo\d+\s*\)\s*$", re.IGNORECASE)
_SEATS: Final = {"p1": 0, "p2": 1}


class LogError(DataError):
    """A log that is no whole game of the format."""


@dataclass(frozen=True, slots=True)
class WholeGame:
    """A game from its start to its result.

    Attributes:
        lines: lines of the protocol.
        winner: 0 or 1; None for a tie.
    """

    lines: tuple[str, ...]
    winner: int | None


def read_game(path: Path, format: str) -> WholeGame:
    """Return the game of a file.

    A game that ends because a player gives up or runs out of time is whole, and so is each game of
    a best-of-three series.

    Args:
        path: path of the log.
        format: id of the format that the game must be of.

    Raises:
        LogError: the file cannot be read, or is no whole game of the format.
    """
    lines = [line for line in _lines(path) if line.startswith("|")]
    if not lines:
        raise LogError("it holds no line of Showdown's protocol")
    _check_format(lines, format)
    _check_whole(lines)
    return WholeGame(tuple(lines), _winner(lines))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LogError(f"it cannot be read: {error}") from error
    ending = path.suffix.lower()
    if ending == ".json":
        text = _of_json(text)
    elif ending == ".html":
        text = _of_page(text)
    return [line.rstrip("\r") for line in text.split("\n")]


def _of_json(text: str) -> str:
    try:
        log = parse_json(text)["log"]
    except (ValueError, KeyError, TypeError) as error:
        raise LogError("it is no JSON of a replay, which has its log as 'log'") from error
    if not isinstance(log, str):
        raise LogError(f"its 'log' is no text but {type(log).__name__}")
    return log


def _of_page(text: str) -> str:
    found = _SCRIPT.search(text)
    if found is not None:
        return found[1].replace("\\/", "/")
    if _ANY_SCRIPT.search(text):
        raise LogError("it is a page without a script of the class 'battle-log-data'")
    return text


def _check_format(lines: Sequence[str], format: str) -> None:
    kind, generation, tier = (_said(lines, key) for key in ("gametype", "gen", "tier"))
    if kind != "doubles":
        raise LogError(f"it is a game of {kind or 'an unknown kind'}, not of doubles")
    wanted = re.match(r"gen(\d+)", format)
    if wanted and generation != wanted[1]:
        raise LogError(f"it is of generation {generation or 'unknown'}, not {wanted[1]}")
    played = _id(_SERIES.sub("", tier)).replace("regulation", "reg")
    if played != _id(format):
        raise LogError(f"it is of the format {tier or 'unknown'!r}, not {format}")


def _check_whole(lines: Sequence[str]) -> None:
    starts = sum(line == "|start" or line.startswith("|start|") for line in lines)
    if starts != 1:
        raise LogError("it holds no start of a game" if not starts else f"it holds {starts} games")
    turns = [line.split("|")[2] for line in lines if line.startswith("|turn|")]
    if turns != [str(number) for number in range(1, len(turns) + 1)]:
        raise LogError(f"it lacks turns, or has them twice: {', '.join(turns)[:60]}")
    results = [place for place, line in enumerate(lines) if _is_result(line)]
    if not results:
        raise LogError("it is cut: it has no result")
    if len(results) > 1:
        raise LogError(f"it has {len(results)} results")
    if any(line.startswith(("|turn|", "|start", "|move|")) for line in lines[results[0] :]):
        raise LogError("it goes on after its result")


def _winner(lines: Sequence[str]) -> int | None:
    result = next(line for line in lines if _is_result(line))
    names: dict[str, set[int]] = {}
    for line in lines:
        _, kind, seat, name, *_ = (*line.split("|"), "", "", "")
        if kind == "player" and seat in _SEATS and name:
            names.setdefault(name, set()).add(_SEATS[seat])
    if {seat for seats in names.values() for seat in seats} != {0, 1}:
        raise LogError("it does not name both players")
    if not result.startswith("|win|"):
        return None
    winners = names.get(result.removeprefix("|win|"), set())
    if len(winners) != 1:
        who = "neither player's" if not winners else "both players'"
        raise LogError(f"its winner's name is {who}: {result[5:65]!r}")
    return winners.pop()


def _is_result(line: str) -> bool:
    return line.startswith("|win|") or line == "|tie" or line.startswith("|tie|")


def _said(lines: Sequence[str], key: str) -> str:
    """Return what the lines with a keyword say; empty if they say nothing or different things."""
    said = {line.removeprefix(f"|{key}|").strip() for line in lines if line.startswith(f"|{key}|")}
    return said.pop() if len(said) == 1 else ""


def _id(name: str) -> str:
    """Return a name in the form of the simulator's ids."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
