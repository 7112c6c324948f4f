"""Battles for tests: random play on a bridge, a batch at a time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.vgc.actions import choices_after, pair_text
from anchorgym.envs.vgc.bridge import Bridge, Move
from anchorgym.envs.vgc.installation import node, simulator
from anchorgym.envs.vgc.records import BattleRecord, Frame, Seat

REG_I = "gen9vgc2025regi"
EVERYONE = -1
"""The channel of somebody who sees everything."""


def require_simulator() -> None:
    """Skip where the battle simulator is not set up."""
    try:
        node(), simulator()
    except AnchorgymError as error:
        pytest.skip(str(error))


@dataclass
class Played:
    """What became of battles that were played to their end."""

    records: list[BattleRecord] = field(default_factory=list)
    logs: list[list[str]] = field(default_factory=list)
    turns: int = 0
    decisions: int = 0
    errors: list[str] = field(default_factory=list)


def starts(bridge: Bridge, n: int, format: str = REG_I, n_teams: int = 12) -> list[BattleRecord]:
    """Return the starts of battles between generated teams."""
    teams = [bridge.make_team(format, (i, 77 * i, 3, 4)) for i in range(n_teams)]
    rng = random.Random(format)
    return [
        BattleRecord(format, (i, 2, 3, 4), (rng.choice(teams), rng.choice(teams)), i % 2 == 0)
        for i in range(n)
    ]


def play_random(
    bridge: Bridge,
    battles: Sequence[BattleRecord],
    *,
    width: int = 16,
    wants: Sequence[str] = (),
    log: bool = False,
) -> Played:
    """Play battles to their end by random choices, `width` of them at a time."""
    rng = random.Random(0)
    played, waiting = Played(), list(battles)
    numbers, frames = bridge.open(waiting[:width], wants)
    del waiting[:width]
    running = dict(zip(numbers, frames, strict=True))
    while running:
        moves = [_random_move(number, frame, rng, played) for number, frame in running.items()]
        frames = bridge.choose(moves, wants)
        running = {m.battle: frame for m, frame in zip(moves, frames, strict=True)}
        ended = [number for number, frame in running.items() if frame["ended"]]
        for number in ended:
            played.turns += running.pop(number)["turn"]
            played.records.append(bridge.record(number))
            if log:
                played.logs.append(bridge.log(number, EVERYONE))
        bridge.discard(ended)
        numbers, frames = bridge.open(waiting[: len(ended)], wants)
        del waiting[: len(ended)]
        running |= dict(zip(numbers, frames, strict=True))
    return played


def replayed_log(bridge: Bridge, record: BattleRecord) -> list[str]:
    """Return everything that happens when a record is played again."""
    number, _ = bridge.resume(record)
    log = bridge.log(number, EVERYONE)
    bridge.discard([number])
    return log


def _random_move(number: int, frame: Frame, rng: random.Random, played: Played) -> Move:
    preview = frame["turn"] == 0
    one, two = (_random_choice(seat, preview, rng) for seat in frame["seats"])
    played.decisions += (one is not None) + (two is not None)
    played.errors += [seat["error"] for seat in frame["seats"] if "error" in seat]
    return Move(number, (one, two))


def _random_choice(seat: Seat, preview: bool, rng: random.Random) -> str | None:
    legal = seat["legal"]
    if legal is None:
        return None
    firsts = [first for first in legal[0] if choices_after(legal, first)]
    first = rng.choice(firsts)
    return pair_text((first, rng.choice(choices_after(legal, first))), preview)
