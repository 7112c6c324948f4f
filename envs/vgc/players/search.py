"""A player that looks one turn ahead, in battles that it could be in.

It draws what is hidden from it, plays its own promising choices against the foe's on copies of that
battle, and takes what comes out best on average. As an oracle it looks ahead in the real battle,
hidden side included: that is a yardstick of what is lost by not knowing, and no fair player.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anchorgym.envs.vgc.actions import Pair, pair_text
from anchorgym.envs.vgc.arena import Asked
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import Knowledge
from anchorgym.envs.vgc.players.heuristic import Heuristic
from anchorgym.envs.vgc.records import Frame, Seed, seed_of
from anchorgym.envs.vgc.situation import situation

_WANTS: Final = ("request", "view")


class SearchPlayer:
    """Plays what the heuristic player finds promising, and a turn of the simulator confirms.

    Team previews and replacements are the heuristic player's.

    Args:
        bridge: that holds the battles.
        known: of the format.
        samples: battles that are imagined a decision.
        own: choices of its own that are tried.
        replies: choices of the foe that each is tried against; the likelier counts for more.
        oracle: look ahead in the real battle instead.
    """

    wants = _WANTS

    def __init__(
        self,
        bridge: Bridge,
        known: Knowledge,
        *,
        samples: int = 2,
        own: int = 8,
        replies: int = 2,
        oracle: bool = False,
    ) -> None:
        self.bridge, self.known, self.oracle = bridge, known, oracle
        self.samples, self.own, self.replies = samples, own, replies
        self._heuristic = Heuristic(known)

    def choose(self, asked: Sequence[Asked]) -> list[Pair]:
        """Look ahead for each who is asked."""
        return [self._look(one) for one in asked]

    def _look(self, one: Asked) -> Pair:
        now = situation(one.told, one.seat, self.known.tables)
        if now.preview or now.forced:
            return self._heuristic.choose(now)
        choices = self._heuristic.ranked(now)[: self.own]
        if len(choices) == 1:
            return choices[0]
        seeds = [_seed(one.rng) for _ in range(self.samples)]
        battles, frames = self._battles(one, seeds)
        values = [
            self._values(battle, frame, one.seat, choices, seed)
            for battle, frame, seed in zip(battles, frames, seeds, strict=True)
        ]
        self.bridge.drop(battles)
        return choices[int(np.argmax(np.mean(values, axis=0)))]

    def _battles(self, one: Asked, seeds: Sequence[Seed]) -> tuple[list[int], list[Frame]]:
        if not self.oracle:
            return self.bridge.imagine(self.known.format, one.told, one.seat, seeds, _WANTS)
        copies = self.bridge.fork(one.battle, len(seeds))
        return copies, [self.bridge.look(copy, _WANTS) for copy in copies]

    def _values(
        self, battle: int, frame: Frame, seat: int, choices: Sequence[Pair], seed: Seed
    ) -> NDArray[np.float64]:
        """Return what each choice comes to in one battle, (n_choices,)."""
        foe = 1 - seat
        replies: list[Pair | None] = [None]
        if frame["seats"][foe]["legal"] is not None:
            theirs = situation(frame["seats"][foe], foe, self.known.tables)
            replies = list(self._heuristic.ranked(theirs)[: self.replies])
        pairs = []
        for choice in choices:
            for reply in replies:
                both = [pair_text(choice, False), reply and pair_text(reply, False)]
                pairs.append((both[0], both[1]) if seat == 0 else (both[1], both[0]))
        found = self.bridge.outcomes(battle, seat, pairs, seed)
        table = np.array([np.nan if value is None else value for value in found]).reshape(
            len(choices), len(replies)
        )
        weights = np.broadcast_to(0.6 ** np.arange(len(replies)), table.shape)
        known = ~np.isnan(table)
        total = np.where(known, weights, 0).sum(1)
        worth = np.where(known, weights * np.nan_to_num(table), 0).sum(1)
        return np.where(total > 0, worth / np.maximum(total, 1e-9), -4.0)


def _seed(rng: np.random.Generator) -> Seed:
    return seed_of(rng.integers(2**16, size=4).tolist())
