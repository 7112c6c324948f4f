"""Battles on file: records that are enough to play them again, and to prove that they were so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from anchorgym.envs.errors import DataError
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.errors import BridgeError
from anchorgym.envs.vgc.installation import pinned_version
from anchorgym.envs.vgc.records import BattleRecord

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
    winner, digest = _executed(bridge, record)
    return KeptBattle(record, players, winner, digest)


def write_battles(path: Path, battles: Iterable[KeptBattle]) -> None:
    """Write a file: a header, and a battle a line."""
    lines = [json.dumps({"kind": KIND, "format": 1, "simulator": pinned_version()})]
    for battle in battles:
        body = {
            "players": list(battle.players),
            "winner": battle.winner,
            "digest": battle.digest,
            "record": battle.record.to_json(),
        }
        lines.append(json.dumps(body, separators=(",", ":")))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def holds_battles(path: Path) -> bool:
    """Whether a file is one of those that `write_battles` writes."""
    try:
        with path.open(encoding="utf-8") as file:
            header = json.loads(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(header, dict) and header.get("kind") == KIND


def read_battles(path: Path) -> Iterator[KeptBattle]:
    """Yield the battles of a file.

    Raises:
        DataError: it is of another kind, of another version of the simulator, or damaged.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    if not holds_battles(path):
        raise DataError(f"{str(path)!r} holds no battles: `anchorgym play` and leagues write some")
    version = json.loads(lines[0]).get("simulator")
    if version != pinned_version():
        raise DataError(
            f"{str(path)!r} was recorded with version {version} of the simulator, and this is "
            f"{pinned_version()}: its battles may go differently"
        )
    for number, line in enumerate(lines[1:], 2):
        try:
            yield _battle(json.loads(line))
        except (ValueError, KeyError, TypeError, BridgeError) as error:
            raise DataError(f"line {number} of {str(path)!r} is no battle: {error!r}") from error


def differences(bridge: Bridge, battle: KeptBattle) -> list[str]:
    """Execute a battle again from seed, teams and choices; return what is not as it was kept."""
    try:
        winner, digest = _executed(bridge, battle.record)
    except BridgeError as error:
        return [f"cannot be executed: {error}"]
    found = []
    if winner != battle.winner:
        found.append(f"winner was {_who(battle.winner)}, is {_who(winner)}")
    if digest != battle.digest:
        found.append(f"digest of what happened was {battle.digest}, is {digest}")
    return found


def _executed(bridge: Bridge, record: BattleRecord) -> tuple[int | None, str]:
    number, frame = bridge.resume(record)
    try:
        log = "\n".join(bridge.log(number, _EVERYONE))
    finally:
        bridge.discard([number])
    return frame["winner"], hashlib.blake2b(log.encode(), digest_size=16).hexdigest()


def _battle(body: Any) -> KeptBattle:
    one, two = body["players"]
    winner = body["winner"]
    if winner not in (0, 1, None):
        raise ValueError(f"the winner is 0, 1 or null, not {winner!r}")
    record = BattleRecord.from_json(body["record"])
    return KeptBattle(record, (str(one), str(two)), winner, str(body["digest"]))


def _who(winner: int | None) -> str:
    return "nobody" if winner is None else f"player {winner + 1}"
