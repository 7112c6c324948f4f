"""Battles between players, many at a time: the loop that collects, evaluates and records.

It is the parallel loop of PettingZoo (both players observe, those who are asked choose, the battle
goes on) for a batch of battles that share one exchange with the simulator a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from anchorgym.envs.vgc.actions import Pair, pair_text
from anchorgym.envs.vgc.bridge import Bridge, Move
from anchorgym.envs.vgc.players.base import Player
from anchorgym.envs.vgc.records import (
    BattleRecord,
    BattlesLostError,
    Frame,
    SavedBattle,
    Seat,
    Seed,
)
from anchorgym.envs.vgc.situation import situation

WIDTH = 48
"""Battles that run at once: enough to fill a learner's batch."""
_DEFAULT = "default"


@dataclass(slots=True)
class Asked:
    """One player's decision in one of the running battles."""

    game: int
    """Which fixture, from 0."""
    battle: int
    """Its number on the bridge, for players that look ahead."""
    seat: int
    """Number of the player's seat, 0 or 1."""
    told: Seat
    """What the player is told, of what it wants."""
    preview: bool
    rng: np.random.Generator
    """Random generator of this seat in this battle."""


class Contender(Protocol):
    """Plays any number of seats at once."""

    @property
    def wants(self) -> tuple[str, ...]:
        """What it needs of a seat; see `bridge.EVERYTHING`."""
        ...

    def choose(self, asked: Sequence[Asked]) -> Sequence[Pair]:
        """Return one of the joint choices that each decision leaves."""
        ...


@dataclass(frozen=True, slots=True)
class Fixture:
    """A battle that is to be played.

    Attributes:
        start: teams and seed of the battle, or a running one to go on from.
        players: of p1 and p2; the same one may play both.
        seed: of the players' own chance.
        chance: of the battle's chance from the first choice on; None leaves it as it is.
    """

    start: BattleRecord | SavedBattle
    players: tuple[Contender, Contender]
    seed: int = 0
    chance: Seed | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A battle that was played to its end.

    Attributes:
        game: which fixture, from 0.
        fixture: the same.
        winner: 0 or 1; None for a draw and for a battle that was cut off.
        turns: of the battle, as the simulator counts them.
        steps: times that somebody was asked.
        record: what the battle follows from.
        refused: choices that the simulator called invalid; there should be none.
    """

    game: int
    fixture: Fixture
    winner: int | None
    turns: int
    steps: int
    record: BattleRecord
    refused: tuple[str, ...] = ()

    def payoff(self, seat: int) -> float:
        """Return 1 for a win of a seat, -1 for a loss, else 0."""
        return 0.0 if self.winner is None else 1.0 if self.winner == seat else -1.0


@dataclass(slots=True)
class _Running:
    game: int
    fixture: Fixture
    battle: int
    frame: Frame
    rngs: tuple[np.random.Generator, np.random.Generator]
    steps: int
    first_turn: int
    refused: list[str]


def play(
    bridge: Bridge, fixtures: Iterable[Fixture], *, width: int = WIDTH, max_steps: int = 300
) -> Iterator[Finished]:
    """Play battles, `width` of them at a time; yield each when it has ended.

    Given the same fixtures, each battle is the same whatever else is being played, as far as its
    players depend on nothing but what they are asked.

    Args:
        bridge: holds the battles.
        fixtures: any number of them; they are taken as battles end.
        width: battles that run at once.
        max_steps: choices after which a battle is cut off.
    """
    waiting, running = iter(enumerate(fixtures)), list[_Running]()
    try:
        while True:
            running += _begin(bridge, list(islice(waiting, width - len(running))))
            if not running:
                return
            _step(bridge, running)
            over = [one for one in running if one.frame["ended"] or one.steps >= max_steps]
            running = [one for one in running if one not in over]
            for one in over:
                yield _finished(bridge, one)
    finally:
        bridge.discard([one.battle for one in running])


class Programs:
    """Has players that are programs play: one of them for each decision.

    Args:
        make: of the seat's generator, the player.
        tables: of the format, see `Bridge.tables`.
    """

    wants = ("request", "view")

    def __init__(
        self, make: Callable[[np.random.Generator], Player], tables: Mapping[str, Any]
    ) -> None:
        self._make, self._tables = make, tables

    def choose(self, asked: Sequence[Asked]) -> list[Pair]:
        """Ask the player each decision."""
        return [
            self._make(one.rng).choose(situation(one.told, one.seat, self._tables)) for one in asked
        ]


def _begin(bridge: Bridge, fixtures: Sequence[tuple[int, Fixture]]) -> list[_Running]:
    begun = []
    for game, fixture in fixtures:
        try:
            battle, frame = _start(bridge, fixture)
        except BattlesLostError:  # the next request starts a new process
            battle, frame = _start(bridge, fixture)
        one, two = np.random.SeedSequence(fixture.seed).spawn(2)
        rngs = np.random.default_rng(one), np.random.default_rng(two)
        begun.append(_Running(game, fixture, battle, frame, rngs, 0, frame["turn"], []))
    return begun


def _start(bridge: Bridge, fixture: Fixture) -> tuple[int, Frame]:
    wants = _wants(fixture)
    if isinstance(fixture.start, SavedBattle):
        return bridge.load(fixture.start, wants)
    (battle,), (frame,) = bridge.open([fixture.start], wants)
    return battle, frame


def _wants(fixture: Fixture) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for player in fixture.players for name in player.wants))


def _step(bridge: Bridge, running: Sequence[_Running]) -> None:
    """Ask whoever is asked, each contender once, and play on."""
    asked: dict[int, list[tuple[_Running, Asked]]] = {}
    for one in running:
        for seat, told in enumerate(one.frame["seats"]):
            if told["legal"] is None:
                continue
            preview = one.frame["turn"] == 0
            question = Asked(one.game, one.battle, seat, told, preview, one.rngs[seat])
            asked.setdefault(id(one.fixture.players[seat]), []).append((one, question))
    chosen: dict[int, list[str | None]] = {one.battle: [None, None] for one in running}
    for questions in asked.values():
        one, first = questions[0]
        pairs = one.fixture.players[first.seat].choose([question for _, question in questions])
        for (_, question), pair in zip(questions, pairs, strict=True):
            refused = question.told.get("error", "").startswith("[Invalid")
            text = _DEFAULT if refused else pair_text(pair, question.preview)
            chosen[question.battle][question.seat] = text
    for one, frame in zip(running, _choose(bridge, running, chosen), strict=True):
        one.frame, one.steps = frame, one.steps + 1
        errors = (seat.get("error", "") for seat in frame["seats"])
        one.refused += [error for error in errors if error.startswith("[Invalid")]


def _choose(
    bridge: Bridge, running: Sequence[_Running], chosen: dict[int, list[str | None]]
) -> list[Frame]:
    """Hand in choices; battles that were lost with the process are played again first, once."""
    try:
        return _exchange(bridge, running, chosen)
    except BattlesLostError as error:
        for one in running:
            old = one.battle
            if old in error.lost:
                one.battle, _ = bridge.resume(error.lost[old])
                chosen[one.battle] = chosen.pop(old)
        return _exchange(bridge, running, chosen)


def _exchange(
    bridge: Bridge, running: Sequence[_Running], chosen: dict[int, list[str | None]]
) -> list[Frame]:
    wants = tuple(dict.fromkeys(name for one in running for name in _wants(one.fixture)))
    moves = [_move(one, chosen[one.battle]) for one in running]
    return bridge.choose(moves, wants)


def _move(one: _Running, chosen: Sequence[str | None]) -> Move:
    return Move(one.battle, (chosen[0], chosen[1]), None if one.steps else one.fixture.chance)


def _finished(bridge: Bridge, one: _Running) -> Finished:
    record = bridge.record(one.battle)
    bridge.discard([one.battle])
    turns = one.frame["turn"] - one.first_turn
    return Finished(
        one.game, one.fixture, one.frame["winner"], turns, one.steps, record, tuple(one.refused)
    )
