"""Playing groups: tasks are drawn, and others in place of those that the algorithm drops."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from anchorgym.envs.errors import ContractError
from anchorgym.gigpo import Algorithm, State, TurnBatch
from anchorgym.training.rollout.strategies import Play, Strategy
from anchorgym.training.rollout.types import Episode


@dataclass(slots=True)
class Played:
    """The episodes of an iteration, group by group."""

    episodes: list[Episode] = field(default_factory=list)
    dropped: set[int] = field(default_factory=set)
    """Groups that the algorithm does not train on."""
    redraws: int = 0
    """Rounds in which tasks were drawn in place of dropped ones."""

    @property
    def kept(self) -> list[Episode]:
        """The episodes that are trained on."""
        return [e for e in self.episodes if e.start.group not in self.dropped]

    @property
    def lost(self) -> list[Episode]:
        """The episodes that are not."""
        return [e for e in self.episodes if e.start.group in self.dropped]


class GroupSampler:
    """Draws the groups of an iteration.

    Args:
        algorithm: says which groups are dropped.
        state: what it remembers.
        strategy: rolls out the groups.
        panel: of tasks to draw from.
        tasks: groups that are to be trained on.
        redraws: rounds at most in which other tasks are drawn for dropped groups.
        play: rolls out episodes.
        batch_of: makes the algorithm's columns of them.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        state: State,
        strategy: Strategy,
        panel: Sequence[str],
        *,
        tasks: int,
        redraws: int,
        play: Play,
        batch_of: Callable[[Sequence[Episode]], TurnBatch],
    ) -> None:
        self._algorithm, self._state, self._strategy = algorithm, state, strategy
        self._panel, self._tasks, self._redraws = panel, tasks, redraws
        self._play, self._batch_of = play, batch_of

    def take(self, rng: random.Random) -> Played:
        """Play until enough groups are kept, or tasks were drawn anew often enough."""
        played = Played()
        wanted, n_groups = self._tasks, 0
        while True:
            tasks = [self._panel[rng.randrange(len(self._panel))] for _ in range(wanted)]
            groups = self._strategy.play(tasks, n_groups, rng, self._play)
            if len(groups) != len(tasks):
                raise ContractError(
                    f"the rollout strategy {type(self._strategy).__name__} has returned "
                    f"{len(groups)} groups for {len(tasks)} tasks: its `play` returns the episodes "
                    "of each task"
                )
            fresh = [episode for group in groups for episode in group]
            n_groups += wanted
            dropped = self._dropped(fresh)
            played.episodes += fresh
            played.dropped |= dropped
            wanted = len(dropped)
            if not wanted or played.redraws == self._redraws:
                return played
            played.redraws += 1

    def _dropped(self, episodes: Sequence[Episode]) -> set[int]:
        """Ask the algorithm which groups it does not train on."""
        batch = self._batch_of(episodes)
        kept = self._algorithm.keep(batch, self._state)
        numbers = np.array([e.start.group for e in episodes for _ in e.turns], np.int64)
        return set(numbers[~kept[batch.group]].tolist())
