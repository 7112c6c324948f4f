"""The independent strategy: all episodes start at their task's start."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from anchorgym.gigpo.arrays import IntArray
from anchorgym.training.rollout.strategies.strategy import Play
from anchorgym.training.rollout.types import Episode, Start

Allocate = Callable[[Sequence[str], int, Sequence[Sequence[float]]], IntArray]
"""Maps (tasks, episodes left, scores so far by task) to the number of episodes to play now."""


class Independent:
    """Plays the episodes of an allocation, in one or more rounds.

    Args:
        allocate: allocation, which decides how often each task is played.
        size: mean number of episodes a task.
    """

    forks = False

    def __init__(self, allocate: Allocate, size: int) -> None:
        self._allocate, self.size = allocate, size

    def play(
        self, tasks: Sequence[str], first: int, rng: random.Random, play: Play
    ) -> list[list[Episode]]:
        """Roll out a group of each task; see `Strategy.play`."""
        groups: list[list[Episode]] = [[] for _ in tasks]
        left = len(tasks) * self.size
        while left > 0:
            scores = [[episode.score for episode in group] for group in groups]
            shares = self._allocate(tasks, left, scores if any(scores) else ())
            starts = [
                Start(task, first + number, rng.getrandbits(31))
                for number, (task, share) in enumerate(zip(tasks, shares.tolist(), strict=True))
                for _ in range(share)
            ]
            if not starts:
                break
            left -= len(starts)
            for episode in play(starts):
                groups[episode.start.group - first].append(episode)
        return groups
