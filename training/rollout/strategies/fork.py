"""The fork strategy: some episodes from the task's start, then siblings from their states."""

from __future__ import annotations

import random
from collections.abc import Sequence

from anchorgym.training.rollout.strategies.budget import Budget
from anchorgym.training.rollout.strategies.choosing import Choose
from anchorgym.training.rollout.strategies.independent import Independent
from anchorgym.training.rollout.strategies.strategy import Play
from anchorgym.training.rollout.types import Episode


class Fork:
    """Samples siblings from chosen states until the budget of turns is used up.

    States are ranked again after each wave of forks, whose visits then count.

    Args:
        roots: strategy that plays from the start.
        choose: ranking of states.
        siblings: number of forks from a chosen state.
        budget: budget of turns.
    """

    forks = True

    def __init__(
        self, roots: Independent, choose: Choose, *, siblings: int, budget: Budget
    ) -> None:
        self._roots, self._choose = roots, choose
        self._siblings, self._budget = siblings, budget

    def play(
        self, tasks: Sequence[str], first: int, rng: random.Random, play: Play
    ) -> list[list[Episode]]:
        """Roll out a group of each task; see `Strategy.play`."""
        groups = self._roots.play(tasks, first, rng, play)
        left = self._budget.of(groups)
        while True:
            chosen = self._choose(groups, rng)
            siblings = (origin for origin in chosen for _ in range(self._siblings))
            starts = self._budget.affordable(siblings, left, rng)
            wave = play(starts) if starts else []
            spent = sum(len(episode.turns) for episode in wave)
            if not spent:
                return groups
            left -= spent
            for episode in wave:
                groups[episode.start.group - first].append(episode)
