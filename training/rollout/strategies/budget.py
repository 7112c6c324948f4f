"""How many turns forks may take."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anchorgym.training.rollout.types import Episode, Origin, Start


@dataclass(frozen=True, slots=True)
class Budget:
    """What an iteration's forks may cost.

    Args:
        size: episodes a task that groups would have without forks.
        limit: turns after which the environment cuts an episode, those before a fork included.
        turns: that forks may take; None are those of the episodes that `size` leaves open, at the
            mean length of the episodes that were played from the start.
    """

    size: int
    limit: int
    turns: int | None = None

    def of(self, groups: Sequence[Sequence[Episode]]) -> int:
        """Return the turns that forks may take, once the episodes from the start are played."""
        if self.turns is not None:
            return self.turns
        lengths = [len(episode.turns) for group in groups for episode in group]
        missing = len(groups) * self.size - len(lengths)
        return max(0, round(missing * sum(lengths) / max(1, len(lengths))))

    def affordable(self, origins: Iterable[Origin], left: int, rng: random.Random) -> list[Start]:
        """Return a fork from each origin, in their order, as far as turns are left.

        A fork is begun only if the turns that are left pay for all that it may take: none is cut
        because others were long.
        """
        starts: list[Start] = []
        for origin in origins:
            most = self.limit - origin.turn
            if most <= left:
                left -= most
                parent = origin.parent.start
                starts.append(Start(parent.task, parent.group, rng.getrandbits(31), origin))
        return starts
