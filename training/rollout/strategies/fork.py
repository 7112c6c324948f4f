"""Some episodes from the task's start, then siblings from states that they reached."""

from __future__ import annotations

import random
from collections.abc import Sequence

from anchorgym.training.rollout.strategies.budget import Budget
from anchorgym.training.rollout.strategies.choosing import Choose
from anchorgym.training.rollout.strategies.independent import Independent
from anchorgym.training.rollout.strategies.strategy import Play
from anchorgym.training.rollout.types import Episode


class Fork:
    """Samples siblings from chosen states until no fork is left that its turns can pay for.

    States are chosen anew after each wave of forks: those count as episodes that came by.

    Args:
        roots: plays from the start.
        choose: ranks states.
        siblings: forks from a state that is chosen.
        budget: of turns.
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
