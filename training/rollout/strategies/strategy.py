"""The interface of rollout strategies."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from anchorgym.training.rollout.types import Episode, Start

Play = Callable[[Sequence[Start]], list[Episode]]
"""Rolls out an episode from each start; a fork's origin is in an episode that it played before."""


class Strategy(Protocol):
    """Rolls out the groups of tasks."""

    @property
    def forks(self) -> bool:
        """Whether it asks for forks: what was played is then kept until all groups are."""
        ...

    def play(
        self, tasks: Sequence[str], first: int, rng: random.Random, play: Play
    ) -> list[list[Episode]]:
        """Roll out a group of each task.

        Args:
            tasks: (n_tasks,) ids; one that was drawn twice makes two groups.
            first: number of the first group.
            rng: of everything that is drawn.
            play: rolls out episodes.

        Returns:
            (n_tasks,) the episodes of each group, a fork after its parent.
        """
        ...
