"""The interface of rollout strategies."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from anchorgym.training.rollout.types import Episode, Start

Play = Callable[[Sequence[Start]], list[Episode]]
"""Rolls out an episode from each start; the parent of a fork is one of its earlier episodes."""


class Strategy(Protocol):
    """Rolls out the groups of tasks."""

    @property
    def forks(self) -> bool:
        """Whether the strategy forks: sessions and states are then kept until it has finished."""
        ...

    def play(
        self, tasks: Sequence[str], first: int, rng: random.Random, play: Play
    ) -> list[list[Episode]]:
        """Roll out a group of each task.

        Args:
            tasks: (n_tasks,) ids; a task that was drawn twice makes two groups.
            first: number of the first group.
            rng: random generator of all draws.
            play: function that rolls out episodes.

        Returns:
            (n_tasks,) the episodes of each group, a fork after its parent.
        """
        ...
