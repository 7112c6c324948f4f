"""Battles on file: records that are enough to play them again, and to prove that they were so.

A battle is executed from its seed, teams and choices; who won and every line of what happened have
to be as recorded, and every recorded choice has to be one that was asked for. What leaves no trace
in a battle, such as its players' names, is covered by the digest in the header of the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from anchorgym.envs.durable import whole_file
from anchorgym.envs.errors import DataError
from anchorgym.envs.seals import seal_of
from anchorgym.envs.texts import parse_json
from anchorgym.envs.vgc.bridge import Bridge, Move
from anchorgym.envs.vgc.errors import BridgeError
from anchorgym.envs.vgc.installation import pinned_version
from anchorgym.envs.vgc.records import BattleRecord, BattlesLostError, Frame, Step

KIND: Final = "anchorgym battles"
_EVERYONE: Final = -1


@dataclass(frozen=True, slots=True)
class KeptBattle:
    """A battle on file.

    Attributes:
        record: what it follows from.
        players: who played p1 and p2.
        winner: 0 or 1; None for a draw, or a battle that was cut off.
        digest: of everything that happened in it, line by line.
    """

    record: BattleRecord
    players: tuple[str, str]
    winner: int | None
    digest: str


def keep(bridge: Bridge, record: BattleRecord, players: tuple[str, str]) -> KeptBattle:
    """Execute a battle, and return it with its outcome."""
    winner, digest, _ = _executed(bridge, record)
    return KeptBattle(record, players, winner, digest)


def write_battles(path: Path, battles: Iterable[KeptBattle]) -> None:
    """Write a file at once: a header, with a digest, and a battle a line."""
    lines = []
    for battle in battles:
        body = {
            "players": list(battle.players),
            "winner": battle.winner,
            "digest": battle.digest,
            "record": battle.record.to_json(),
        }
        lines.append(json.dumps(body, separators=(",", ":")).encode() + b"\n")
    header = {"kind": KIND, "format": 1, "simulator": pinned_version(), "battles": len(lines)}
    header["digest"] = seal_of(header, lines)
    with whole_file(path) as fresh:
        fresh.write_bytes(b"".join([json.dumps(header).encode() + b"\n", *lines]))


def holds_battles(path: Path) -> bool:
    """Whether a file is one of those that `write_battles` writes."""
    try:
        with path.open(encoding="utf-8") as file:
            header = parse_json(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(header, dict) and header.get("kind") == KIND


def read_battles(path: Path) -> Iterator[KeptBattle]:
    """Yield the battles of a file.

    Raises:
        DataError: it is of another kind, of another version of the simulator, or damaged.
    """
    header, lines = _read(path)
    version = header.get("simulator")
    if version != pinned_version():
        raise DataError(
            f"{str(path)!r} was recorded with version {version} of the simulator, and this is "
            f"{pinned_version()}: its battles may go differently"
        )
    for number, line in enumerate(lines, 2):
        try:
            yield _battle(parse_json(line))
        except (ValueError, KeyError, TypeError, BridgeError) as error:
            raise DataError(f"line {number} of {str(path)!r} is no battle: {error!r}") from error


def is_sealed(path: Path) -> bool:
    """Whether the header of a file of battles holds a digest.

    Raises:
        DataError: the file holds no battles.
    """
    return "digest" in _read(path)[0]


def file_differences(path: Path) -> list[str]:
    """Return what of a file is not as `write_battles` wrote it, by its header's digest.

    Raises:
        DataError: the file holds no battles.
    """
    header, lines = _read(path)
    found = []
    if header.get("battles", len(lines)) != len(lines):
        found.append(f"number of battles was {header['battles']}, is {len(lines)}")
    if "digest" in header and (digest := seal_of(header, lines)) != header["digest"]:
        found.append(f"digest of the file was {header['digest']}, is {digest}")
    return found


def differences(bridge: Bridge, battle: KeptBattle) -> list[str]:
    """Execute a battle again from seed, teams and choices; return what is not as it was kept."""
    try:
        winner, digest, found = _executed(bridge, battle.record)
    except (BridgeError, BattlesLostError) as error:
        return [f"cannot be executed: {error}"]
    if winner != battle.winner:
        found.append(f"winner was {_who(battle.winner)}, is {_who(winner)}")
    if digest != battle.digest:
        found.append(f"digest of what happened was {battle.digest}, is {digest}")
    return found


def _read(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    """Return the header of a file, and its other lines with their ends."""
    if not holds_battles(path):
        raise DataError(f"{str(path)!r} holds no battles: `anchorgym play` and leagues write some")
    with path.open("rb") as file:
        return parse_json(file.readline()), file.readlines()


def _executed(bridge: Bridge, record: BattleRecord) -> tuple[int | None, str, list[str]]:
    """Return who wins a battle, a digest of what happens, and which choices nobody asked for."""
    number, frame = bridge.resume(replace(record, steps=()))
    strange = []
    try:
        for count, step in enumerate(record.steps):
            if frame["ended"]:
                strange.append(f"{len(record.steps) - count} choices after the battle's end")
                break
            strange += [f"choice {count + 1} {problem}" for problem in _unasked(frame, step)]
            (frame,) = bridge.choose([Move(number, step.choices, step.seed)])
        log = "\n".join(bridge.log(number, _EVERYONE))
    finally:
        bridge.discard([number])
    digest = hashlib.blake2b(log.encode("utf-8", "surrogatepass"), digest_size=16)
    return frame["winner"], digest.hexdigest(), strange


def _unasked(frame: Frame, step: Step) -> Iterator[str]:
    """Yield why a choice is not one that was asked for."""
    if step.choices == (None, None):
        yield "is of neither player"
    for seat, (choice, told) in enumerate(zip(step.choices, frame["seats"], strict=True)):
        if choice is not None and told["legal"] is None:
            yield f"is of {_who(seat)}, who is not asked"


def _battle(body: Any) -> KeptBattle:
    one, two = body["players"]
    winner, digest = body["winner"], body["digest"]
    if winner not in (0, 1, None) or isinstance(winner, bool | float):
        raise ValueError(f"the winner is 0, 1 or null, not {winner!r}")
    if not all(isinstance(text, str) for text in (one, two, digest)):
        raise ValueError("the players' names and the digest are strings")
    return KeptBattle(BattleRecord.from_json(body["record"]), (one, two), winner, digest)


def _who(winner: int | None) -> str:
    return "nobody" if winner is None else f"player {winner + 1}"
