"""The tree strategy: some episodes from the task's start, which branch at fixed turns."""

from __future__ import annotations

import random
from collections.abc import Sequence

from anchorgym.training.rollout.strategies.budget import Budget
from anchorgym.training.rollout.strategies.independent import Independent
from anchorgym.training.rollout.strategies.strategy import Play
from anchorgym.training.rollout.types import Episode, Origin


class Tree:
    """Branches every episode that is still running at a cut (SPO's tree, arXiv 2505.23564).

    The paper samples segment by segment. Here an episode is played to its end and its siblings
    start at its cuts, which gives the same distribution of trees: one branch of each node is the
    parent itself. Cuts are `segment` turns apart. If the budget is too small for all nodes, random
    ones are branched, those nearer to the root first.

    Args:
        roots: strategy that plays from the start: the branches of the first node.
        branching: number of branches of a node at the first cut, the second, and so on.
        segment: number of turns between two cuts.
        budget: budget of turns.
    """

    forks = True

    def __init__(
        self, roots: Independent, *, branching: Sequence[int], segment: int, budget: Budget
    ) -> None:
        self._roots, self._branching = roots, branching
        self._segment, self._budget = segment, budget

    def play(
        self, tasks: Sequence[str], first: int, rng: random.Random, play: Play
    ) -> list[list[Episode]]:
        """Roll out a group of each task; see `Strategy.play`."""
        groups = self._roots.play(tasks, first, rng, play)
        left = self._budget.of(groups)
        for level, branches in enumerate(self._branching, 1):
            turn = level * self._segment
            at_cut = [episode for group in groups for episode in group if _takes(episode, turn)]
            waiting = [Origin(episode, turn) for episode in at_cut for _ in range(branches - 1)]
            rng.shuffle(waiting)
            while starts := self._budget.affordable(waiting, left, rng):
                begun = {id(start.origin) for start in starts}
                waiting = [origin for origin in waiting if id(origin) not in begun]
                for episode in play(starts):
                    left -= len(episode.turns)
                    groups[episode.start.group - first].append(episode)
        return groups


def _takes(episode: Episode, turn: int) -> bool:
    """Whether an episode took the turn of this number itself, and not as its first."""
    return episode.first_turn < turn < episode.first_turn + len(episode.turns)
