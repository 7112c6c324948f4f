"""Evaluation of a policy's success on held-out tasks, with confidence intervals."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.policies.base import Policy
from anchorgym.envs import TextEnv, panel_hash, sub_panel
from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.texts import id_bytes
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
from anchorgym.training.rollout.broken import BrokenTasks
from anchorgym.training.rollout.drivers.contract import Driver
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.errors import BrokenTaskError
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
    top_p: float = 1.0,
    samples: int = 1,
    max_response: int | None = None,
    seed: int = 0,
    observe: Callable[[Sequence[Episode]], None] | None = None,
    driver: Driver | None = None,
    trained_on: str | None = None,
    before: Waves | None = None,
) -> Evaluation:
    """Evaluate a policy on the tasks of a split's panel.

    Equal seeds give equal results: each world is seeded by seed, task and number of the episode,
    and the sampling by the seed and the wave of episodes that are played together. An evaluation
    with more samples begins with the same episodes as one with fewer. A task that cannot be started
    is left out of the panel and all figures; the result's `broken` and a warning name it.

    Args:
        policy: policy to evaluate.
        envs: pool of environments, or the id of one.
        split: split of the tasks; it may differ from the one that the environments were made with.
        tasks: number of tasks, see `sub_panel`; all by default.
        temperature, top_p: sampling of responses, see `Sampling`; temperature 0 is greedy.
        samples: number of episodes of each task.
        max_response: longest response, in tokens; by default the policy's own limit.
        seed: seed of the worlds' randomness and of the sampling.
        observe: receives each episode when it has finished; `start.group` is its task's index.
        driver: driver of the episodes; by default lock-step.
        trained_on: split of training tasks; by default `training_split` of the environment.
        before: waves of episodes that were played before an interruption.

    Raises:
        ConfigError: the split has no tasks, or `tasks` or `samples` is below 1.
        BrokenTaskError: no task can be started.
    """
    envs = EnvPool.of(envs) if isinstance(envs, str) else envs
    panel = _panel(envs.first, split, tasks, samples)
    spec, chosen = envs.first.spec, sub_panel(panel, tasks)
    sampling = Sampling(max_response or policy.max_response, temperature, top_p=top_p)
    tries = _Tries(policy, envs, sampling, driver, BrokenTasks(), before)
    episodes = _play(tries, _waves(chosen, samples, seed), seed, observe)
    broken = tries.broken.problems
    return summarise(
        episodes,
        split,
        panel_hash([task for task in chosen if task not in broken]),
        temperature,
        samples=samples,
        env="" if spec is None else spec.id,
        seed=seed,
        split_tasks=len(panel),
        broken=broken,
        training_tasks=split == (trained_on or training_split(envs.first)),
    )


def training_split(env: TextEnv) -> str:
    """Return the split of an environment's training tasks: `train`, or else its first."""
    return "train" if "train" in env.splits else next(iter(env.splits), env.split)


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
    broken: Mapping[str, str] | None = None,
    training_tasks: bool = False,
) -> Evaluation:
    """Compute the evaluation of finished episodes.

    Args:
        episodes: (n_tasks * samples,) episodes, task by task.
        split, panel, temperature, samples, env, seed, split_tasks, broken, training_tasks: see
            `Evaluation`.
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
        broken=dict(broken or {}),
        training_tasks=training_tasks,
    )


def compare(one: Evaluation, other: Evaluation) -> Comparison:
    """Compare the evaluations of two policies task by task.

    A task that was broken for one of them is left out for both.

    Raises:
        PanelError: the policies were evaluated on different tasks.
    """
    ours, theirs = _sound(one, other), _sound(other, one)
    if one.broken or other.broken:
        same = bool(ours) and [one.tasks[at] for at in ours] == [other.tasks[at] for at in theirs]
    else:
        same = one.panel == other.panel and len(ours) == len(theirs)
    if not same:
        raise PanelError(
            "a paired comparison needs the same panel of tasks on both sides, but they are "
            f"{_size(one)} and {_size(other)}: measure both with the same split and tasks"
        )
    if one.env != other.env and one.env and other.env:
        raise PanelError(f"a paired comparison needs one environment: {one.env}, {other.env}")
    differences = one.task_shares[ours] - other.task_shares[theirs]
    types = [one.task_types[at] for at in ours]
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return Comparison(
        difference=difference_interval(differences),
        by_type={k: difference_interval(differences[at]) for k, at in _by_type(types).items()},
        better=better,
        worse=worse,
        tasks=len(differences),
        p=sign_test(better, worse),
    )


def _sound(one: Evaluation, other: Evaluation) -> list[int]:
    """Return the places of one's tasks that were not broken when the other was measured."""
    if not (one.broken or other.broken):
        return list(range(len(one.task_shares)))
    return [at for at, task in enumerate(one.tasks) if task not in other.broken]


def paired_difference(after: Evaluation, before: Evaluation) -> Interval:
    """Return the mean paired gain in success, with its interval.

    Raises:
        PanelError: the evaluations are of different panels.
    """
    return compare(after, before).difference


@dataclass(frozen=True, slots=True)
class _Tries:
    """How waves of episodes are played, and what is known from those before."""

    policy: Policy
    envs: EnvPool[TextEnv]
    sampling: Sampling
    driver: Driver | None
    broken: BrokenTasks
    before: Waves | None
    """Waves that were played before an interruption."""

    def wave(self, name: str, starts: Sequence[Start], seed: int) -> list[Episode]:
        """Return the episodes of a wave, of those tasks that can be started."""
        # A policy without an engine may draw from a generator that goes on from wave to wave.
        if self.before is not None and self.policy.engine is not None:
            known = self.before.get(name)
            if known is not None:
                self.broken.problems.update(known.broken)
                return known.episodes
        sampling = replace(self.sampling, seed=seed)
        while True:
            sound = [start for start in starts if start.task not in self.broken.problems]
            try:
                return self._played(name, sound, sampling) if sound else []
            except BrokenTaskError as error:
                self.broken.add(error)

    def _played(self, name: str, starts: list[Start], sampling: Sampling) -> list[Episode]:
        """Play and save; where the environment raises, save the episodes that had ended."""
        ended: list[Episode] = []
        finished, driver = ended.append, self.driver
        try:
            played = rollout(
                self.policy, self.envs, starts, sampling, driver=driver, finished=finished
            )
        except BrokenTaskError:
            raise
        except BaseException:
            if self.before is not None:
                self.before.add(name, ended, self.broken.problems, whole=False)
            raise
        if self.before is not None:
            self.before.add(name, played, self.broken.problems, whole=True)
        return played


def _play(
    tries: _Tries,
    waves: Iterable[tuple[str, list[Start]]],
    seed: int,
    observe: Callable[[Sequence[Episode]], None] | None,
) -> list[Episode]:
    """Return the episodes of all waves, task by task, of those tasks that can be started.

    Raises:
        BrokenTaskError: there is none.
    """
    by_task: dict[int, list[Episode]] = defaultdict(list)
    for name, starts in waves:
        played = tries.wave(name, starts, _derived(seed, "wave", name))
        for episode in played:
            by_task[episode.start.group].append(episode)
        if observe is not None:
            observe(played)
    problems = tries.broken.problems
    found = [e for place in sorted(by_task) for e in by_task[place] if e.start.task not in problems]
    if problems and not found:
        raise BrokenTaskError(*next(iter(problems.items())))
    return found


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
    digest = hashlib.blake2b(id_bytes(f"{seed} {use} {name}"), digest_size=8).digest()
    return int.from_bytes(digest) >> 33


def _by_type(types: Sequence[str]) -> dict[str, list[int]]:
    """Return the indices of each type's tasks in the panel, the types sorted."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, kind in enumerate(types):
        places[kind].append(place)
    return dict(sorted(places.items()))


def _size(one: Evaluation) -> str:
    return f"{len(one.task_shares)} tasks of {one.split} ({one.panel[:8]})"
