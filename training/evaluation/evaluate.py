"""Success on tasks that were never trained on, with intervals."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.policies.base import Policy
from anchorgym.envs import TextEnv, panel_hash, sub_panel
from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.config.sections import ConfigError
from anchorgym.training.evaluation.statistics import (
    FloatArray,
    Interval,
    difference_interval,
    pass_all,
    pass_at,
    share_interval,
    sign_test,
)
from anchorgym.training.rollout.drivers.contract import Driver
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import rollout
from anchorgym.training.rollout.types import Episode, Start

__all__ = [
    "Comparison",
    "Evaluation",
    "Interval",
    "PanelError",
    "compare",
    "evaluate",
    "paired_difference",
    "summarise",
]

_WAVE = 160
"""Episodes that are played together, to bound memory."""


class PanelError(AnchorgymError, ValueError):
    """Figures that were measured on different tasks, and so cannot be compared task by task."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a policy did on a panel of tasks; `print` it for a table."""

    split: str
    panel: str
    """SHA-256 of the panel: equal hashes were measured on the same tasks."""
    temperature: float
    """0 for greedy."""
    success: Interval
    """Mean over tasks. Intervals: Wilson's of one episode a task, else of resampled tasks."""
    by_type: dict[str, tuple[int, int]]
    """Task type: (won, played)."""
    turns: float
    """Mean turns of an episode."""
    invalid: float
    """Share of turns with an invalid action."""
    won: tuple[bool, ...]
    """(n_tasks * samples,), task by task in panel order, for paired comparisons."""
    samples: int = 1
    """Episodes of each task."""
    env: str = ""
    seed: int = 0
    tasks: tuple[str, ...] = ()
    """(n_tasks,) ids in panel order."""
    task_types: tuple[str, ...] = ()
    """(n_tasks,)."""
    split_tasks: int = 0
    """Tasks that the whole split holds."""
    type_success: dict[str, Interval] = field(default_factory=dict)
    """Task type: success with its interval."""
    pass_at: dict[int, Interval] = field(default_factory=dict)
    """k: chance that at least one of k episodes of a task is won; k = 1, 2, 4, … and samples."""
    pass_all: dict[int, Interval] = field(default_factory=dict)
    """k: chance that all of k episodes of a task are won, pass^k."""
    turns_won: float | None = None
    """Mean turns of the episodes that were won; None where none was."""
    stops: dict[str, int] = field(default_factory=dict)
    """Why episodes ended: "terminated", "turns" or "context", and how many did."""
    returns: float | None = None
    """Mean over episodes of the sum of rewards; None in figures of before it was measured."""

    @property
    def worst(self) -> str | None:
        """The task type with the least success; None where there are no two types.

        It was picked for being lowest, so its true success is likely a little higher.
        """
        if len(self.type_success) < 2:
            return None
        return min(self.type_success, key=self.rank)

    def rank(self, kind: str) -> tuple[float, float, str]:
        """Return what types are ordered by, the worst first; of equal ones the surest."""
        success = self.type_success[kind]
        return success.mean, success.high, kind

    @property
    def task_shares(self) -> FloatArray:
        """Share of each task's episodes that was won, (n_tasks,)."""
        won = np.array(self.won, dtype=np.float64).reshape(-1, self.samples)
        return np.asarray(won.mean(axis=1))

    def __str__(self) -> str:
        from anchorgym.training.evaluation.report import as_text

        return as_text([("", self)])

    def to_json(self) -> dict[str, Any]:
        """Return all figures as JSON values, and the name of the worst type."""
        return {**_json(asdict(self)), "worst": self.worst}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Evaluation:
        """Read what `to_json` returned."""
        known = {name.name: values[name.name] for name in fields(cls) if name.name in values}
        for name in ("won", "tasks", "task_types"):
            known[name] = tuple(known.get(name, ()))
        known["success"] = Interval.from_json(known["success"])
        known["by_type"] = {kind: (won, n) for kind, (won, n) in known["by_type"].items()}
        for name, key in (("type_success", str), ("pass_at", int), ("pass_all", int)):
            known[name] = {key(k): Interval.from_json(v) for k, v in known.get(name, {}).items()}
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One policy's success minus another's, on the same tasks."""

    difference: Interval
    by_type: dict[str, Interval]
    better: int
    """Tasks on which the first won more episodes; with one episode a task, that it alone won."""
    worse: int
    """Tasks on which the other won more."""
    tasks: int
    p: float
    """Two-sided exact sign test of better against worse; McNemar's with one episode a task."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return dict(_json(asdict(self)))


def evaluate(
    policy: Policy,
    envs: EnvPool[TextEnv] | str,
    *,
    split: str,
    tasks: int | None = None,
    temperature: float = 0.0,
    samples: int = 1,
    max_response: int | None = None,
    seed: int = 0,
    observe: Callable[[Sequence[Episode]], None] | None = None,
    driver: Driver | None = None,
) -> Evaluation:
    """Play the tasks of a split's panel.

    Equal seeds give equal figures: each episode's world is seeded by seed, task and number, and
    an engine that samples is seeded anew for each wave of episodes that play together. (Greedy
    play leaves the engine's noise alone.) More samples begin with the episodes of fewer.

    Args:
        policy: who plays.
        envs: where, or the id of an environment; the split need not be the one that they were
            made with.
        split: whose tasks.
        tasks: how many of them, see `sub_panel`; all by default.
        temperature: that responses are sampled at; 0 is greedy.
        samples: episodes of each task.
        max_response: longest response, in tokens; by default the policy's own limit.
        seed: of the worlds' randomness and of the sampling.
        observe: is given episodes as they are finished, each once; their `start.group` is the
            place of their task in the panel.
        driver: pumps the episodes; by default in lock-step.

    Raises:
        ConfigError: there is no task to play, or no episode of it.
    """
    if tasks is not None and tasks < 1:
        raise ConfigError(f"an evaluation plays at least 1 task, got tasks={tasks}")
    if samples < 1:
        raise ConfigError(f"an evaluation plays a task at least once, got samples={samples}")
    if isinstance(envs, str):
        envs = EnvPool.of(envs)
    panel = envs.first.tasks(split)
    if not panel:
        raise ConfigError(f"split {split!r} holds no tasks: name another split")
    chosen = sub_panel(panel, tasks)
    if max_response is None:
        max_response = policy.max_response
    waves = _waves(chosen, samples, seed)
    sampling = Sampling(max_response, temperature)
    episodes = _play(policy, envs, waves, sampling, seed, observe, driver)
    spec = envs.first.spec
    return summarise(
        episodes,
        split,
        panel_hash(chosen),
        temperature,
        samples=samples,
        env=spec.id if spec is not None else "",
        seed=seed,
        split_tasks=len(panel),
    )


def summarise(
    episodes: Sequence[Episode],
    split: str,
    panel: str,
    temperature: float,
    *,
    samples: int = 1,
    env: str = "",
    seed: int = 0,
    split_tasks: int | None = None,
) -> Evaluation:
    """Turn episodes into figures.

    Args:
        episodes: (n_tasks * samples,), task by task.
        split, panel, temperature, samples, env, seed, split_tasks: see `Evaluation`.
    """
    won = np.array([episode.won for episode in episodes], dtype=np.int64).reshape(-1, samples)
    heads = episodes[::samples]
    types = [episode.task_type for episode in heads]
    counts = won.sum(axis=1)
    turns = [turn for episode in episodes for turn in episode.turns]
    lengths_won = [len(episode.turns) for episode in episodes if episode.won]
    places = _by_type(types)
    ks = sorted({*(2**i for i in range(samples.bit_length())), samples})
    return Evaluation(
        split=split,
        panel=panel,
        temperature=temperature,
        success=share_interval(counts / samples, samples),
        by_type={k: (int(counts[at].sum()), len(at) * samples) for k, at in places.items()},
        turns=len(turns) / max(1, len(episodes)),
        invalid=sum(not turn.valid for turn in turns) / max(1, len(turns)),
        won=tuple(episode.won for episode in episodes),
        samples=samples,
        env=env,
        seed=seed,
        tasks=tuple(episode.start.task for episode in heads),
        task_types=tuple(types),
        split_tasks=len(heads) if split_tasks is None else split_tasks,
        type_success={k: share_interval(counts[at] / samples, samples) for k, at in places.items()},
        pass_at={k: share_interval(pass_at(counts, samples, k), samples) for k in ks},
        pass_all={k: share_interval(pass_all(counts, samples, k), samples) for k in ks},
        turns_won=sum(lengths_won) / len(lengths_won) if lengths_won else None,
        stops=dict(sorted(Counter(episode.stop.value for episode in episodes).items())),
        returns=sum(episode.score for episode in episodes) / max(1, len(episodes)),
    )


def compare(one: Evaluation, other: Evaluation) -> Comparison:
    """Compare two policies task by task.

    Raises:
        PanelError: the two were measured on different tasks.
    """
    if one.panel != other.panel or len(one.task_shares) != len(other.task_shares):
        raise PanelError(
            "a paired comparison needs the same panel of tasks on both sides, but they are "
            f"{_size(one)} and {_size(other)}: measure both with the same split and tasks"
        )
    if one.env != other.env and one.env and other.env:
        raise PanelError(f"a paired comparison needs one environment: {one.env}, {other.env}")
    gains = one.task_shares - other.task_shares
    better, worse = int((gains > 0).sum()), int((gains < 0).sum())
    return Comparison(
        difference=difference_interval(gains),
        by_type={k: difference_interval(gains[at]) for k, at in _by_type(one.task_types).items()},
        better=better,
        worse=worse,
        tasks=len(gains),
        p=sign_test(better, worse),
    )


def paired_difference(after: Evaluation, before: Evaluation) -> Interval:
    """Return the mean gain in success, task by task, with its interval.

    Raises:
        PanelError: the two were measured on different panels.
    """
    return compare(after, before).difference


def _play(
    policy: Policy,
    envs: EnvPool[TextEnv],
    waves: Iterable[tuple[str, list[Start]]],
    sampling: Sampling,
    seed: int,
    observe: Callable[[Sequence[Episode]], None] | None,
    driver: Driver | None,
) -> list[Episode]:
    """Return the episodes of all waves, task by task."""
    by_task: dict[int, list[Episode]] = defaultdict(list)
    for name, starts in waves:
        if sampling.temperature > 0:
            _reseed(policy, _derived(seed, "wave", name))
        played = rollout(policy, envs, starts, sampling, driver=driver)
        for episode in played:
            by_task[episode.start.group].append(episode)
        if observe is not None:
            observe(played)
    return [episode for place in sorted(by_task) for episode in by_task[place]]


def _waves(tasks: Sequence[str], samples: int, seed: int) -> Iterator[tuple[str, list[Start]]]:
    """Yield each wave's name and starts: all tasks once, then all of them again, and so on."""
    for sample in range(samples):
        starts = [
            Start(task, place, _derived(seed, "world", f"{sample} {task}"))
            for place, task in enumerate(tasks)
        ]
        for wave, first in enumerate(range(0, len(starts), _WAVE)):
            yield f"{sample} {wave}", starts[first : first + _WAVE]


def _derived(seed: int, use: str, name: str) -> int:
    digest = hashlib.blake2b(f"{seed} {use} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 33


def _reseed(policy: Policy, seed: int) -> None:
    """Start the sampling noise of a policy's engine anew."""
    if policy.engine is not None:
        policy.engine.reseed(seed)


def _by_type(types: Sequence[str]) -> dict[str, list[int]]:
    """Return the places (in panel order) of each type's tasks, the types sorted."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, kind in enumerate(types):
        places[kind].append(place)
    return dict(sorted(places.items()))


def _size(one: Evaluation) -> str:
    return f"{len(one.task_shares)} tasks of {one.split} ({one.panel[:8]})"


def _json(value: Any) -> Any:
    """Tuples as lists and keys as text, as they come back from JSON."""
    if isinstance(value, dict):
        return {str(key): _json(inner) for key, inner in value.items()}
    return [_json(inner) for inner in value] if isinstance(value, list | tuple) else value
