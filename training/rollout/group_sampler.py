"""Sampling of groups: draws tasks, and replaces groups that the algorithm drops."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from anchorgym.envs.errors import ContractError
from anchorgym.envs.plugins import wrong_result
from anchorgym.gigpo import Algorithm, State, TurnBatch
from anchorgym.training.rollout.broken import BrokenTasks
from anchorgym.training.rollout.strategies import Play, Strategy
from anchorgym.training.rollout.types import Episode


@dataclass(slots=True)
class Played:
    """The episodes of an iteration, in the order of their groups."""

    episodes: list[Episode] = field(default_factory=list)
    dropped: set[int] = field(default_factory=set)
    """Numbers of the groups that the algorithm does not train on."""
    redraws: int = 0
    """Number of rounds in which tasks were drawn to replace dropped groups."""
    broken: set[str] = field(default_factory=set)
    """Tasks that were drawn and could not be started; others were played in their place."""

    @property
    def kept(self) -> list[Episode]:
        """The episodes that are trained on."""
        return [e for e in self.episodes if e.start.group not in self.dropped]

    @property
    def lost(self) -> list[Episode]:
        """The episodes of dropped groups, which are not trained on."""
        return [e for e in self.episodes if e.start.group in self.dropped]


class GroupSampler:
    """Draws tasks and rolls out the groups of an iteration.

    Args:
        algorithm: algorithm that decides which groups are dropped.
        state: state of the algorithm.
        strategy: strategy that rolls out the groups.
        panel: ids of the tasks to draw from.
        tasks: number of groups to train on.
        redraws: most rounds in which other tasks are drawn to replace dropped groups.
        play: function that rolls out episodes.
        batch_of: function that converts episodes to the algorithm's columns.
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
        self._broken = BrokenTasks()

    def take(self, rng: random.Random) -> Played:
        """Play until enough groups are kept, or the redraws are used up.

        A task that cannot be started is replaced by another one.

        Raises:
            BrokenTaskError: no task of the panel can be started.
        """
        played = Played()
        missing, n_groups = self._tasks, 0
        while True:
            tasks = [self._panel[rng.randrange(len(self._panel))] for _ in range(missing)]
            play = partial(self._groups, n_groups, rng)
            groups, broken = self._broken.play(tasks, self._panel, rng, play)
            played.broken |= broken
            fresh = [episode for group in groups for episode in group]
            n_groups += missing
            dropped = self._dropped(fresh)
            played.episodes += fresh
            played.dropped |= dropped
            missing = len(dropped)
            if not missing or played.redraws == self._redraws:
                return played
            played.redraws += 1

    def _groups(self, first: int, rng: random.Random, tasks: list[str]) -> list[list[Episode]]:
        """Roll out a group of each task, numbered from `first`."""
        groups = self._strategy.play(tasks, first, rng, self._play)
        self._require_groups(groups, len(tasks))
        return groups

    def _require_groups(self, groups: Any, n_tasks: int) -> None:
        """Check that a strategy has returned a group of episodes for each task."""
        wanted = f"a list of episodes for each of the {n_tasks} tasks"
        if not isinstance(groups, Sequence):
            raise wrong_result(self._strategy, "play()", wanted, groups)
        if len(groups) != n_tasks:
            raise ContractError(
                f"the rollout strategy {type(self._strategy).__name__} has returned "
                f"{len(groups)} groups for {n_tasks} tasks: its `play` returns the episodes "
                "of each task"
            )
        for group in groups:
            if not isinstance(group, Sequence) or not all(isinstance(e, Episode) for e in group):
                raise wrong_result(self._strategy, "play()", wanted, group)
        if not any(groups):
            raise wrong_result(self._strategy, "play()", f"{wanted}, not of none", groups)

    def _dropped(self, episodes: Sequence[Episode]) -> set[int]:
        """Return the numbers of the groups that the algorithm does not train on."""
        batch = self._batch_of(episodes)
        kept: Any = self._algorithm.keep(batch, self._state)
        if not isinstance(kept, np.ndarray) or kept.dtype != bool or kept.ndim != 1:
            wanted = "an array of bools, one for each group"
            raise wrong_result(self._algorithm, "keep()", wanted, kept)
        numbers = np.array([e.start.group for e in episodes for _ in e.turns], np.int64)
        return set(numbers[~kept[batch.group]].tolist())
