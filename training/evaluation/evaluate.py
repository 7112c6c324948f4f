"""Evaluation of a policy's success on held-out tasks, with confidence intervals."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.policies.base import Policy
from anchorgym.envs import TextEnv, panel_hash, sub_panel
from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.config.section import ConfigError
from anchorgym.training.evaluation.figures import Comparison, Evaluation
from anchorgym.training.evaluation.partial import Waves
from anchorgym.training.evaluation.statistics import (
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
"""Most episodes that are played together, to bound memory."""


class PanelError(AnchorgymError, ValueError):
    """Evaluations on different tasks, which cannot be compared task by task."""


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
    before: Waves | None = None,
) -> Evaluation:
    """Evaluate a policy on the tasks of a split's panel.

    Equal seeds give equal results: each world is seeded by seed, task and number of the episode,
    and the sampling by the seed and the wave of episodes that are played together. An evaluation
    with more samples begins with the same episodes as one with fewer.

    Args:
        policy: policy to evaluate.
        envs: pool of environments, or the id of an environment; the split may differ from the one
            that they were made with.
        split: split of the tasks.
        tasks: number of tasks, see `sub_panel`; all by default.
        temperature: sampling temperature of responses; 0 is greedy.
        samples: number of episodes of each task.
        max_response: longest response, in tokens; by default the policy's own limit.
        seed: seed of the worlds' randomness and of the sampling.
        observe: callback that receives each episode once, when it has finished; `start.group` is
            the index of its task in the panel.
        driver: driver of the episodes; by default lock-step.
        before: waves of episodes that were played before an interruption, which the others are
            added to.

    Raises:
        ConfigError: the split has no tasks, or `tasks` or `samples` is below 1.
    """
    if isinstance(envs, str):
        envs = EnvPool.of(envs)
    panel = _panel(envs.first, split, tasks, samples)
    chosen = sub_panel(panel, tasks)
    if max_response is None:
        max_response = policy.max_response
    waves = _waves(chosen, samples, seed)
    sampling = Sampling(max_response, temperature)
    episodes = _play(policy, envs, waves, sampling, seed, observe, driver, before)
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


def _panel(env: TextEnv, split: str, tasks: int | None, samples: int) -> Sequence[str]:
    """Return the tasks of a split, and check that there is at least one episode to play."""
    if tasks is not None and tasks < 1:
        raise ConfigError(f"an evaluation plays at least 1 task, got tasks={tasks}")
    if samples < 1:
        raise ConfigError(f"an evaluation plays a task at least once, got samples={samples}")
    panel = env.tasks(split)
    if not panel:
        raise ConfigError(f"split {split!r} holds no tasks: name another split")
    return panel


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
    """Compute the evaluation of finished episodes.

    Args:
        episodes: (n_tasks * samples,) episodes, task by task.
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
    """Compare the evaluations of two policies task by task.

    Raises:
        PanelError: the policies were evaluated on different tasks.
    """
    if one.panel != other.panel or len(one.task_shares) != len(other.task_shares):
        raise PanelError(
            "a paired comparison needs the same panel of tasks on both sides, but they are "
            f"{_size(one)} and {_size(other)}: measure both with the same split and tasks"
        )
    if one.env != other.env and one.env and other.env:
        raise PanelError(f"a paired comparison needs one environment: {one.env}, {other.env}")
    differences = one.task_shares - other.task_shares
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return Comparison(
        difference=difference_interval(differences),
        by_type={
            k: difference_interval(differences[at]) for k, at in _by_type(one.task_types).items()
        },
        better=better,
        worse=worse,
        tasks=len(differences),
        p=sign_test(better, worse),
    )


def paired_difference(after: Evaluation, before: Evaluation) -> Interval:
    """Return the mean paired gain in success, with its interval.

    Raises:
        PanelError: the evaluations are of different panels.
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
    before: Waves | None,
) -> list[Episode]:
    """Return the episodes of all waves, task by task."""
    by_task: dict[int, list[Episode]] = defaultdict(list)
    for name, starts in waves:
        own = replace(sampling, seed=_derived(seed, "wave", name))
        # A policy without an engine may draw from a generator that goes on from wave to wave.
        played = before.get(name) if before is not None and policy.engine is not None else None
        if played is None:
            played = _wave(policy, envs, name, starts, own, driver, before)
        for episode in played:
            by_task[episode.start.group].append(episode)
        if observe is not None:
            observe(played)
    return [episode for place in sorted(by_task) for episode in by_task[place]]


def _wave(
    policy: Policy,
    envs: EnvPool[TextEnv],
    name: str,
    starts: list[Start],
    sampling: Sampling,
    driver: Driver | None,
    before: Waves | None,
) -> list[Episode]:
    """Play a wave and save it; where the environment raises, save the episodes that had ended."""
    if before is None:
        return rollout(policy, envs, starts, sampling, driver=driver)
    ended: list[Episode] = []
    try:
        played = rollout(policy, envs, starts, sampling, driver=driver, finished=ended.append)
    except BaseException:
        before.add(name, ended, whole=False)
        raise
    before.add(name, played, whole=True)
    return played


def _waves(tasks: Sequence[str], samples: int, seed: int) -> Iterator[tuple[str, list[Start]]]:
    """Yield name and starts of each wave: all tasks once, then all tasks again, and so on."""
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


def _by_type(types: Sequence[str]) -> dict[str, list[int]]:
    """Return the indices of each type's tasks in the panel, the types sorted."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, kind in enumerate(types):
        places[kind].append(place)
    return dict(sorted(places.items()))


def _size(one: Evaluation) -> str:
    return f"{len(one.task_shares)} tasks of {one.split} ({one.panel[:8]})"
