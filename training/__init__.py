"""The loops that join worlds, policies and algorithms: rollout, learning, evaluation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from anchorgym.training.config import ConfigError, TrainConfig

if TYPE_CHECKING:
    from anchorgym.training.evaluation import Evaluation, Interval, evaluate, paired_difference
    from anchorgym.training.rollouts import Episode, Start, Turn, Worlds, rollout
    from anchorgym.training.trainer import (
        Run,
        RunBusyError,
        RunExistsError,
        RunFinishedError,
        train,
    )

__all__ = [
    "ConfigError",
    "Episode",
    "Evaluation",
    "Interval",
    "Run",
    "RunBusyError",
    "RunExistsError",
    "RunFinishedError",
    "Start",
    "TrainConfig",
    "Turn",
    "Worlds",
    "evaluate",
    "paired_difference",
    "rollout",
    "train",
]

_LAZY = {
    "Episode": "rollouts",
    "Evaluation": "evaluation",
    "Interval": "evaluation",
    "Run": "trainer",
    "RunBusyError": "trainer",
    "RunExistsError": "trainer",
    "RunFinishedError": "trainer",
    "Start": "rollouts",
    "Turn": "rollouts",
    "Worlds": "rollouts",
    "evaluate": "evaluation",
    "paired_difference": "evaluation",
    "rollout": "rollouts",
    "train": "trainer",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"anchorgym.training.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
