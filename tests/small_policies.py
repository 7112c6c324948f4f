"""Untrained policies for tests, with the words of an environment."""

from __future__ import annotations

from typing import Any

from anchorgym.agents import ModelPolicy
from anchorgym.training import TrainConfig
from anchorgym.training.run.components import assemble, new_policy
from anchorgym.training.run.display import Display


def small_policy(env_id: str, *, tasks: int = 20, seed: int = 0, **settings: Any) -> ModelPolicy:
    """Build a policy of two layers, as a job would; `settings` are those of its section."""
    size = {"hidden": 32, "layers": 2, "heads": 2, "kv_heads": 1, "vocabulary_tasks": tasks}
    job = {"env": env_id, "policy": {**size, **settings}, "seed": seed}
    config = TrainConfig.parse(job)
    return new_policy(config, assemble(config), Display())
