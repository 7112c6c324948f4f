"""Small runs for tests of what reads a run's folder, with recorded training episodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from anchorgym.agents import Policy, RandomPolicy, Sampling
from anchorgym.gigpo import make_algorithm
from anchorgym.gigpo.anchors import step_groups
from anchorgym.training import EnvPool, Start, TrainConfig, rollout
from anchorgym.training.evaluation.evaluate import paired_difference, summarise
from anchorgym.training.evaluation.figures import Evaluation
from anchorgym.training.inspect.trajectories import episode_record, write_trajectories
from anchorgym.training.learning.columns import turn_batch
from anchorgym.training.rollout.types import Episode


def record_training(
    folder: Path, policy: Policy, env_id: str, iteration: int, *, tasks: int = 3, size: int = 6
) -> list[Episode]:
    """Play groups of an iteration and write them as the trainer does."""
    worlds = EnvPool.of(env_id)
    panel = worlds.first.tasks()
    starts = [
        Start(panel[(iteration * tasks + group) % len(panel)], group, 1000 * iteration + 10 * i)
        for group in range(tasks)
        for i in range(size)
    ]
    sampling = Sampling(getattr(policy, "max_response", 8), 1.0)
    episodes = rollout(policy, worlds, starts, sampling)
    batch = turn_batch(episodes, "state")
    algorithm = make_algorithm("gigpo")
    advantages = algorithm.advantages(batch, algorithm.initial_state())
    groups = step_groups(batch)
    ends = np.cumsum([len(episode.turns) for episode in episodes])[:-1]
    parts = zip(episodes, np.split(advantages, ends), np.split(groups, ends), strict=True)
    write_trajectories(
        folder / "episodes" / f"train-{iteration:05}.jsonl",
        {"format": 1, "env": env_id, "arguments": {}, "purpose": "train", "iteration": iteration},
        [episode_record(*part) for part in parts],
    )
    return episodes


def write_run(
    folder: Path, env_id: str = "test/Rooms-v0", iterations: Sequence[int] = (1, 3)
) -> Path:
    """Write a folder as a finished run leaves it, played at random: no model, no training."""
    folder.mkdir(parents=True)
    config = TrainConfig.parse(
        {"env": env_id, "seed": 5, "rollout": {"iterations": 3}, "algorithm": {"gamma": 0.9}}
    )
    (folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
    before = _evaluate(folder, "before-greedy", RandomPolicy(0), env_id)
    after = _evaluate(folder, "after-greedy", RandomPolicy(3), env_id)
    for iteration in iterations:
        record_training(folder, RandomPolicy(iteration), env_id, iteration)
    gain = asdict(paired_difference(after, before))
    result = {
        "before": {"greedy": before.to_json()},
        "after": {"greedy": after.to_json()},
        "gain": {"greedy": gain},
        "cpu_seconds": {"clone": 12.5, "generation": 30.1, "update": 8.0},
    }
    (folder / "result.json").write_text(json.dumps(result))
    records = _metrics(asdict(before.success), asdict(after.success))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def _evaluate(folder: Path, name: str, policy: Policy, env_id: str) -> Evaluation:
    worlds = EnvPool.of(env_id)
    starts = [Start(task, i, i) for i, task in enumerate(worlds.first.tasks())]
    episodes = rollout(policy, worlds, starts, Sampling())
    write_trajectories(
        folder / "episodes" / f"{name}.jsonl",
        {"format": 1, "env": env_id, "arguments": {}, "purpose": "evaluate"},
        map(episode_record, episodes),
    )
    return summarise(episodes, "train", "a panel", 0.0)


def _metrics(before: dict[str, float], after: dict[str, float]) -> list[dict[str, Any]]:
    """Return a log of three iterations, in the order in which a run writes it."""
    cloning = [
        {"phase": "clone", "update": n, "action_loss": 3.0 / n, "observation_loss": 4.0 / n}
        for n in range(1, 30)
    ]
    training = [
        {
            "phase": "train",
            "iteration": n,
            "success": 0.2 * n,
            "turns": 12.0 - n,
            "valid": 1.0,
            "zero_advantage": 0.1,
            "entropy": 0.7 - 0.1 * n,
            "approximate_kl": 0.001 * n,
            "grad_norm": 1.5,
            "loss": -0.01 * n,
        }
        for n in (1, 2, 3)
    ]
    point = {"phase": "validate", "split": "train"}
    return [
        {"phase": "policy", "parameters": 1000, "words": 20},
        *cloning,
        {"phase": "before", "mode": "greedy", "split": "train", "success": before},
        {**point, "iteration": 0, "success": before},
        *training,
        {**point, "iteration": 3, "success": after},
        {"phase": "after", "mode": "greedy", "split": "train", "success": after},
    ]
