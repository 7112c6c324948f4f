"""Tasks that cannot be started, such as that of a damaged game file: a job goes on without them."""

from __future__ import annotations

import functools
import logging
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from anchorgym.training.rollout.errors import BrokenTaskError

_log = logging.getLogger(__name__)
T = TypeVar("T")


class BrokenTasks:
    """The tasks that could not be started so far; a warning names each of them once.

    Attributes:
        problems: why a task cannot be started, by its id.
    """

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def add(self, error: BrokenTaskError) -> None:
        """Note a task, with a warning if there was none yet."""
        if error.task not in self.problems:
            self.problems[error.task] = error.problem
            _warn(str(error))

    def play(
        self,
        tasks: Sequence[str],
        panel: Sequence[str],
        rng: random.Random,
        play: Callable[[list[str]], T],
    ) -> tuple[T, set[str]]:
        """Play tasks, with others of the panel in place of those that cannot be started.

        What is drawn depends on the generator and the files alone, not on earlier calls: a job that
        is resumed draws the same.

        Args:
            tasks: (n_tasks,) tasks that were drawn.
            panel: tasks to draw from in their place.
            rng: generator that they are drawn by, and that `play` draws from.
            play: function that plays tasks; called again from the same state of the generator.

        Returns:
            What `play` returned, and the tasks that were replaced.

        Raises:
            BrokenTaskError: no task of the panel can be started.
        """
        chosen, out = list(tasks), set[str]()
        while True:
            before = rng.getstate()
            try:
                return play(chosen), out
            except BrokenTaskError as error:
                self.add(error)
                rng.setstate(before)
                out.add(error.task)
                others = [task for task in panel if task not in out]
                if not others:
                    raise
                chosen = [
                    others[rng.randrange(len(others))] if task == error.task else task
                    for task in chosen
                ]


@functools.lru_cache(maxsize=4096)
def _warn(problem: str) -> None:
    """Log a warning; a job that evaluates many times repeats none."""
    _log.warning("%s: it is left out", problem)
