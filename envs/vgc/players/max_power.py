"""A player that always takes its strongest move."""

from __future__ import annotations

import numpy as np

from anchorgym.envs.vgc.actions import Pair, legal_pairs
from anchorgym.envs.vgc.knowledge import Knowledge
from anchorgym.envs.vgc.situation import Situation


class MaxPowerPlayer:
    """Chooses the moves of the greatest base power, at foes; anything else by chance.

    It looks at no types and no targets beyond that: a yardstick, as in poke-env and VGC-Bench.

    Args:
        knowledge: of the format.
        generator: breaks ties.
    """

    def __init__(self, knowledge: Knowledge, generator: np.random.Generator) -> None:
        self.knowledge = knowledge
        self.generator = generator

    def choose(self, now: Situation) -> Pair:
        """Return a joint choice of the greatest sum of powers."""
        pairs = list(legal_pairs(now.legal))
        if not (now.preview or now.forced):
            powers = [self._power(now, 0, one) + self._power(now, 1, two) for one, two in pairs]
            best = max(powers)
            pairs = [pair for pair, power in zip(pairs, powers, strict=True) if power == best]
        return pairs[int(self.generator.integers(len(pairs)))]

    def _power(self, now: Situation, slot: int, choice: int) -> float:
        order = now.orders[slot]
        if choice < 7 or order is None:
            return 0.0
        number, target = divmod((choice - 7) % 20, 5)
        if target < 2:  # at an own Pokémon
            return 0.0
        return float(self.knowledge.move(order["moves"][number]["id"]).get("basePower", 0))
