"""Trees: some episodes from the task's start, which branch at fixed turns."""

from __future__ import annotations

import random
from collections.abc import Sequence

from anchorgym.training.rollout.strategies.budget import Budget
from anchorgym.training.rollout.strategies.independent import Independent
from anchorgym.training.rollout.strategies.strategy import Play
from anchorgym.training.rollout.types import Episode, Origin


class Tree:
    """Branches every episode that is still running at a cut (SPO's tree, arXiv 2505.23564).

    The paper samples segment by segment; here an episode is played to its end and the others go
    on from its cuts, which draws the same trees: of a node's branches, one is the episode that came
    by. Cuts are `segment` turns apart. Where turns are short, nodes that are branched are drawn by
    chance, those nearer to the root first.

    Args:
        roots: plays from the start: the branches of the first node.
        branching: branches of a node at the first cut, the second, and so on.
        segment: turns between two cuts.
        budget: of turns.
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
    """Whether the turn of this number is one of an episode's own, and not its first."""
    return episode.first_turn < turn < episode.first_turn + len(episode.turns)
