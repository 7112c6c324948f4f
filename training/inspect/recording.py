"""Recording of a run's episodes, in `RUN/episodes/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anchorgym.gigpo import TurnBatch, step_groups
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.training.config.sections import TrainConfig
from anchorgym.training.inspect.trajectories import (
    FORMAT,
    Header,
    episode_record,
    write_trajectories,
)
from anchorgym.training.rollout.types import Episode
from anchorgym.training.run.components import Components

_EVALUATED = 200
"""Most episodes of an evaluation that are recorded, which take some megabytes."""


def _in_order(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Sort arguments by name, as a resumed run reads them in another order."""
    return dict(sorted(arguments.items()))


class Recorder:
    """Writes files of episodes atomically, so that a resumed run writes the same files again.

    Args:
        folder: folder of the run.
        config: configuration, which says which iterations and groups are recorded.
        components: components of the job.
    """

    def __init__(self, folder: Path, config: TrainConfig, components: Components) -> None:
        self._folder = folder / "episodes"
        self._config, self._components = config, components

    def iteration(
        self, number: int, episodes: Sequence[Episode], batch: TurnBatch, advantages: FloatArray
    ) -> None:
        """Record the first groups of an iteration, if the settings select it.

        Args:
            number: number of the iteration.
            episodes: episodes of the iteration.
            batch: (n_turns,) turns of the episodes, one after another.
            advantages: (n_turns,) advantages of the turns.
        """
        rollout = self._config.rollout
        every = rollout.record_every
        if every == 0 or (number not in (1, rollout.iterations) and number % every):
            return
        groups = step_groups(batch, getattr(self._components.algorithm, "similarity", None))
        records, first = [], 0
        for episode in episodes:
            rows = slice(first, first + len(episode.turns))
            first = rows.stop
            if episode.start.group < rollout.record_groups:
                of_turns = advantages[rows].tolist(), groups[rows].tolist()
                records.append(episode_record(episode, *of_turns))
        header: Header = {
            "format": FORMAT,
            "env": self._config.env.id,
            "arguments": _in_order(self._components.train_arguments),
            "purpose": "train",
            "iteration": number,
        }
        write_trajectories(self._folder / f"train-{number:05}.jsonl", header, records)

    def evaluation(self, name: str, episodes: Sequence[Episode]) -> None:
        """Record the first episodes of a final evaluation, such as "after-greedy"."""
        played = {
            "split": self._components.panels.test,
            "max_turns": self._components.eval_envs.first.max_turns,
        }
        header: Header = {
            "format": FORMAT,
            "env": self._config.env.id,
            "arguments": _in_order({**self._config.env.arguments, **played}),
            "purpose": "evaluate",
        }
        records = [episode_record(episode) for episode in episodes[:_EVALUATED]]
        write_trajectories(self._folder / f"{name}.jsonl", header, records)
