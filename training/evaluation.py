"""Success on tasks that were never trained on, with intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anchorgym.agents.engine import Sampling
from anchorgym.agents.policy import Policy
from anchorgym.envs import panel_hash, sub_panel
from anchorgym.training.config import ConfigError
from anchorgym.training.rollouts import Episode, Start, Worlds, rollout

_RESAMPLES = 4000
_Z95 = 1.96
_WAVE = 160
"""Episodes that are played together, to bound memory."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; as text, in per cent."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a policy did on a panel of tasks, one episode each."""

    split: str
    panel: str
    """SHA-256 of the panel: equal hashes were measured on the same tasks."""
    temperature: float
    """0 for greedy."""
    success: Interval
    by_type: dict[str, tuple[int, int]]
    """Task type: (won, played)."""
    turns: float
    """Mean turns of an episode."""
    invalid: float
    """Share of turns with an invalid action."""
    won: tuple[bool, ...]
    """Episode by episode, in panel order, for paired comparisons."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return asdict(self)


def evaluate(
    policy: Policy,
    worlds: Worlds | str,
    *,
    split: str,
    tasks: int | None = None,
    temperature: float = 0.0,
    max_response: int | None = None,
    seed: int = 0,
    watch: Callable[[Sequence[Episode]], None] | None = None,
) -> Evaluation:
    """Play tasks of a split's panel once each.

    Args:
        policy: who plays.
        worlds: where, or the id of an environment; the split need not be the one that they were
            made with.
        split: whose tasks.
        tasks: how many of them, see `sub_panel`; all by default.
        temperature: that responses are sampled at; 0 is greedy.
        max_response: longest response, in tokens; by default the policy's own limit.
        seed: of the worlds' randomness. The policy's own goes on from where it is.
        watch: is given the episodes, in panel order.

    Raises:
        ConfigError: there is no task to play.
    """
    if tasks is not None and tasks < 1:
        raise ConfigError(f"an evaluation plays at least 1 task, got tasks={tasks}")
    if isinstance(worlds, str):
        worlds = Worlds(worlds)
    panel = worlds.first.tasks(split)
    if not panel:
        raise ConfigError(f"split {split!r} holds no tasks: name another split")
    chosen = sub_panel(panel, tasks)
    if max_response is None:
        max_response = getattr(policy, "max_response", Sampling().max_tokens)
    starts = [Start(task, i, seed + i) for i, task in enumerate(chosen)]
    sampling = Sampling(max_response, temperature)
    episodes: list[Episode] = []
    for first in range(0, len(starts), _WAVE):
        episodes += rollout(policy, worlds, starts[first : first + _WAVE], sampling)
    if watch is not None:
        watch(episodes)
    return summarise(episodes, split, panel_hash(chosen), temperature)


def summarise(
    episodes: Sequence[Episode], split: str, panel: str, temperature: float
) -> Evaluation:
    """Turn episodes into figures."""
    by_type: dict[str, list[bool]] = defaultdict(list)
    for episode in episodes:
        by_type[episode.task_type].append(episode.won)
    turns = [turn for episode in episodes for turn in episode.turns]
    won = np.array([episode.won for episode in episodes], dtype=np.float64)
    return Evaluation(
        split=split,
        panel=panel,
        temperature=temperature,
        success=success_interval(won),
        by_type={kind: (sum(wins), len(wins)) for kind, wins in sorted(by_type.items())},
        turns=len(turns) / max(1, len(episodes)),
        invalid=sum(not turn.valid for turn in turns) / max(1, len(turns)),
        won=tuple(episode.won for episode in episodes),
    )


def success_interval(won: NDArray[np.float64]) -> Interval:
    """Return the share of tasks won (n_tasks,), 0 or 1 each, with Wilson's 95 % interval.

    Unlike resampling, it does not take 20 of 20 for certain.
    """
    n = len(won)
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    share, z2 = float(won.mean()), _Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Rounding must not leave the share outside its interval.
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def bootstrap(values: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """Return the mean of per-task values (n_tasks,) with a 95 % percentile bootstrap interval.

    Tasks are resampled, not episodes: what is claimed is about tasks like these.
    """
    n = len(values)
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, n, size=(_RESAMPLES, n))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def paired_difference(after: Evaluation, before: Evaluation) -> Interval:
    """Return the mean gain in success, task by task, with its interval.

    Raises:
        ValueError: the two were measured on different panels.
    """
    if after.panel != before.panel:
        raise ValueError("a paired comparison needs the same panel of tasks on both sides")
    return bootstrap(np.array(after.won, dtype=np.float64) - np.array(before.won))
