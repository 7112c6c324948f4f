"""Measurement of one or two players on a panel, with greedy and with sampled play.

The file `evaluation.json` contains the settings and

    policies    a list of {"name": …, "greedy": …, "sampled": …}, see `Evaluation`
    comparison  {"greedy": …, "sampled": …} of two players, the first minus the second, see
                `Comparison`; empty for one player
    complete    false if the measurement was interrupted; finished modes are still included
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from anchorgym.envs import TextEnv
from anchorgym.training.config.section import ConfigError
from anchorgym.training.evaluation.evaluate import compare, evaluate
from anchorgym.training.evaluation.figures import Comparison, Evaluation
from anchorgym.training.evaluation.partial import Partial
from anchorgym.training.evaluation.players import Player
from anchorgym.training.inspect.trajectories import (
    FORMAT,
    EpisodeRecord,
    episode_record,
)
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.types import Episode
from anchorgym.training.run.display import Display, Phase


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of a measurement."""

    env_id: str
    arguments: Mapping[str, Any]
    """Keyword arguments of the environment."""
    split: str
    tasks: int | None = None
    """Number of tasks of the split's panel; all by default."""
    modes: tuple[str, ...] = ("greedy", "sampled")
    temperature: float = 1.0
    """Temperature of sampled play."""
    top_p: float = 1.0
    """Share of the probability that sampled play draws from, see `Sampling.top_p`."""
    samples: int = 4
    """Number of episodes of a task in sampled play."""
    seed: int = 0
    prompt: Mapping[str, Any] = field(default_factory=dict)
    """Prompt settings of language policies, in place of those that they were saved with."""

    def __post_init__(self) -> None:
        if "sampled" in self.modes and not 0 < self.temperature < float("inf"):
            raise ConfigError(
                f"--temperature: sampling needs one above 0, got {self.temperature:g}; for greedy "
                "play alone give --mode greedy"
            )
        if not 0 < self.top_p <= 1:
            raise ConfigError(
                f"--top-p: a share of the probability is above 0 and at most 1, got {self.top_p:g}"
            )
        if self.tasks is not None and self.tasks < 1:
            raise ConfigError(f"--tasks: an evaluation plays at least 1 task, got {self.tasks}")
        if self.samples < 1:
            raise ConfigError(f"--samples must be at least 1, got {self.samples}")

    def to_json(self) -> dict[str, Any]:
        """Return all settings as JSON values."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values


@dataclass(slots=True)
class Measurement:
    """The results of a measurement so far."""

    plan: Plan
    names: tuple[str, ...]
    """Names of the one or two players."""
    found: dict[str, list[Evaluation]] = field(default_factory=dict)
    """Evaluations of the players by mode, once all players have played it."""
    records: list[EpisodeRecord] = field(default_factory=list)
    """Episodes of these modes, if they are kept."""

    @property
    def complete(self) -> bool:
        """Whether all modes are finished."""
        return set(self.found) == set(self.plan.modes)

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """Comparisons of the first player with the second, by mode; empty for one player."""
        if len(self.names) < 2:
            return {}
        return {mode: compare(*both) for mode, both in self.found.items()}

    def to_json(self) -> dict[str, Any]:
        """Return everything but the episodes as JSON values."""
        plan, first = self.plan, next(iter(self.found.values()))[0]
        policies = [
            {"name": name, **{mode: each[i].to_json() for mode, each in self.found.items()}}
            for i, name in enumerate(self.names)
        ]
        return {
            "format": FORMAT,
            "plan": plan.to_json(),
            "env": plan.env_id,
            "arguments": dict(plan.arguments),
            "split": plan.split,
            "training_tasks": first.training_tasks,
            "seed": plan.seed,
            "panel": first.panel,
            "tasks": len(first.tasks),
            "split_tasks": first.split_tasks,
            "complete": self.complete,
            "policies": policies,
            "comparison": {mode: found.to_json() for mode, found in self.comparisons.items()},
        }


def measure(
    measurement: Measurement,
    players: Sequence[Player],
    envs: EnvPool[TextEnv],
    display: Display,
    *,
    keep_episodes: bool = False,
    partial: Partial | None = None,
) -> None:
    """Play every mode of a plan and add the results to the measurement, mode by mode.

    Both players play the same tasks with the same seeds. After an interrupt, only modes that all
    players have finished are included: panels are sorted by task type, so a part of one is biased.
    """
    plan = measurement.plan
    panel = len(envs.first.tasks(plan.split))
    tasks = panel if plan.tasks is None else min(plan.tasks, panel)
    for mode in plan.modes:
        samples = plan.samples if mode == "sampled" else 1
        records: list[EpisodeRecord] = []
        with display.phase(mode, tasks * samples * len(players)) as phase:
            found = [
                evaluate(
                    player.make(),
                    envs,
                    split=plan.split,
                    tasks=plan.tasks,
                    temperature=plan.temperature if mode == "sampled" else 0.0,
                    top_p=plan.top_p if mode == "sampled" else 1.0,
                    samples=samples,
                    seed=plan.seed,
                    observe=_Watch(phase, player.name, mode, records if keep_episodes else None),
                    before=partial.waves(player.name, mode) if partial else None,
                )
                for player in players
            ]
        measurement.found[mode] = found
        measurement.records += records


class _Watch:
    """Callback for finished episodes, which shows progress and keeps records."""

    def __init__(
        self, phase: Phase, name: str, mode: str, records: list[EpisodeRecord] | None
    ) -> None:
        self._phase, self._records = phase, records
        self._name, self._mode = name, mode

    def __call__(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._phase.step(self._name)
            if self._records is not None:
                record = episode_record(episode)
                self._records.append({**record, "policy": self._name, "mode": self._mode})
