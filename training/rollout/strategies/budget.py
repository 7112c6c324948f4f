"""The budget of turns of an iteration's forks."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anchorgym.training.rollout.types import Episode, Origin, Start


@dataclass(frozen=True, slots=True)
class Budget:
    """The number of turns that an iteration's forks may take.

    Args:
        size: number of episodes a group would have without forks.
        limit: turns after which the environment cuts an episode, those before a fork included.
        turns: number of turns for all forks; None allows those of the episodes that the groups lack
            to `size`, at the mean length of the episodes that were played from the start.
    """

    size: int
    limit: int
    turns: int | None = None

    def of(self, groups: Sequence[Sequence[Episode]]) -> int:
        """Return the number of turns for forks, given the episodes from the start."""
        if self.turns is not None:
            return self.turns
        lengths = [len(episode.turns) for group in groups for episode in group]
        missing = len(groups) * self.size - len(lengths)
        return max(0, round(missing * sum(lengths) / max(1, len(lengths))))

    def affordable(self, origins: Iterable[Origin], left: int, rng: random.Random) -> list[Start]:
        """Return a fork from each origin, in their order, as far as the turns suffice.

        A fork is started only if the remaining turns cover its greatest length, so no fork is cut
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
