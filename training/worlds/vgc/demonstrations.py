"""Demonstrations: a teacher's decisions, with the inputs of a token policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anchorgym.envs.durable import whole_file
from anchorgym.envs.vgc.actions import Pair, mask
from anchorgym.envs.vgc.arena import Asked, Contender, Fixture, play
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.env import tokens
from anchorgym.envs.vgc.knowledge import Knowledge
from anchorgym.envs.vgc.records import BattleRecord

_COLUMNS = ("tokens", "masks", "pairs", "payoffs", "battles")


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """Decisions of a teacher, with the payoffs of their battles.

    Attributes:
        tokens: (n, 13, columns) int16 tokens of the views.
        masks: (n, 2, 107) int8 masks of the legal choices.
        pairs: (n, 2) int64 joint choices; -1 for an unknown half.
        payoffs: (n,) payoff of the deciding player: 1 for a win, -1 for a loss, else 0.
        battles: (n,) number of the decision's battle.
    """

    tokens: NDArray[np.int16]
    masks: NDArray[np.int8]
    pairs: NDArray[np.int64]
    payoffs: NDArray[np.float32]
    battles: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, rows: NDArray[np.bool_]) -> Demonstrations:
        """Return some of the rows."""
        return Demonstrations(*(getattr(self, name)[rows] for name in _COLUMNS))

    def save(self, path: Path) -> None:
        """Write a file of arrays."""
        with whole_file(path) as fresh:
            np.savez_compressed(fresh, **{name: getattr(self, name) for name in _COLUMNS})

    @classmethod
    def load(cls, path: Path) -> Demonstrations:
        """Read a file that `save` has written."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(*(arrays[name] for name in _COLUMNS))

    @classmethod
    def joined(cls, parts: Sequence[Demonstrations]) -> Demonstrations:
        """Join demonstrations; battles of different parts keep different numbers."""
        offsets = np.cumsum([0, *(int(part.battles.max(initial=-1)) + 1 for part in parts)])
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in _COLUMNS
            if name != "battles"
        }
        battles = [part.battles + offset for part, offset in zip(parts, offsets, strict=False)]
        return cls(**columns, battles=np.concatenate(battles))


class Noted:
    """Plays like a teacher, and records its decisions with a token policy's inputs.

    Args:
        teacher: player that decides.
        known: knowledge of the format.
    """

    def __init__(self, teacher: Contender, known: Knowledge) -> None:
        self.teacher, self.known = teacher, known
        self.rows: dict[tuple[int, int], list[tuple[NDArray[np.int16], NDArray[np.int8], Pair]]]
        self.rows = {}

    @property
    def wants(self) -> tuple[str, ...]:
        """The inputs that the teacher needs, and tokens."""
        return (*self.teacher.wants, "tokens")

    def choose(self, asked: Sequence[Asked]) -> Sequence[Pair]:
        """Let the teacher choose, and record its choices."""
        pairs = self.teacher.choose(asked)
        for one, pair in zip(asked, pairs, strict=True):
            seen = tokens(one.told, self.known.layout)
            row = seen, mask(one.told["legal"]), pair
            self.rows.setdefault((one.game, one.seat), []).append(row)
        return pairs


def demonstrate(bridge: Bridge, noted: Noted, fixtures: Iterable[Fixture]) -> Demonstrations:
    """Play battles and return the teacher's decisions.

    Args:
        bridge: bridge to the simulator, which runs the battles.
        noted: recorded teacher, which plays one or both seats of each fixture.
        fixtures: battles to play.
    """
    rows = []
    for finished in play(bridge, fixtures):
        for seat in (0, 1):
            payoff = finished.payoff(seat)
            for seen, allowed, pair in noted.rows.pop((finished.game, seat), ()):
                rows.append((seen, allowed, pair, payoff, finished.game))
    rows.sort(key=lambda row: row[4])
    return from_rows(rows)


def from_rows(
    rows: Sequence[tuple[NDArray[np.int16], NDArray[np.int8], Pair, float, int]],
) -> Demonstrations:
    """Stack decisions, each given as (tokens, mask, choice, payoff, battle)."""
    seen, masks, pairs, payoffs, battles = zip(*rows, strict=True)
    return Demonstrations(
        np.stack(seen),
        np.stack(masks),
        np.array(pairs, np.int64),
        np.array(payoffs, np.float32),
        np.array(battles, np.int64),
    )


def lessons(
    noted: Noted,
    weaker: Sequence[Contender],
    starts: Iterator[BattleRecord],
    battles: int,
    seed: int,
) -> Iterator[Fixture]:
    """Yield fixtures of a teacher, alternately against itself and against weaker players.

    Weaker players lead to states that do not occur against equal ones.
    """
    for number in range(battles):
        if number % 2 or not weaker:
            players: tuple[Contender, Contender] = (noted, noted)
        else:
            other = weaker[number // 2 % len(weaker)]
            players = (noted, other) if number // 2 % 4 < 2 else (other, noted)
        yield Fixture(next(starts), players, seed + number)
