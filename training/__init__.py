"""Training loops that combine environments, policies and algorithms."""

from __future__ import annotations

import anchorgym.training.startup  # noqa: F401  (before anything that could be shadowed)

# isort: split
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anchorgym.training.config.run_folders import (
        RunBusyError,
        RunExistsError,
        RunFinishedError,
    )
    from anchorgym.training.config.section import ConfigError
    from anchorgym.training.config.sections import TrainConfig
    from anchorgym.training.evaluation.evaluate import (
        PanelError,
        compare,
        evaluate,
        paired_difference,
    )
    from anchorgym.training.evaluation.figures import Comparison, Evaluation
    from anchorgym.training.evaluation.statistics import Interval
    from anchorgym.training.rollout.env_pool import EnvPool
    from anchorgym.training.rollout.play import rollout
    from anchorgym.training.rollout.types import Episode, Start, Turn
    from anchorgym.training.run.results import Run
    from anchorgym.training.run.trainer import train

__all__ = [
    "Comparison",
    "ConfigError",
    "EnvPool",
    "Episode",
    "Evaluation",
    "Interval",
    "PanelError",
    "Run",
    "RunBusyError",
    "RunExistsError",
    "RunFinishedError",
    "Start",
    "TrainConfig",
    "Turn",
    "compare",
    "evaluate",
    "paired_difference",
    "rollout",
    "train",
]

# The package `rollout` would hide the function: import it now, and remove its attribute.
importlib.import_module("anchorgym.training.rollout")
globals().pop("rollout", None)

_LAZY = {
    "Comparison": "evaluation.figures",
    "ConfigError": "config.section",
    "EnvPool": "rollout.env_pool",
    "Episode": "rollout.types",
    "Evaluation": "evaluation.figures",
    "Interval": "evaluation.statistics",
    "PanelError": "evaluation.evaluate",
    "Run": "run.results",
    "RunBusyError": "config.run_folders",
    "RunExistsError": "config.run_folders",
    "RunFinishedError": "config.run_folders",
    "Start": "rollout.types",
    "TrainConfig": "config.sections",
    "Turn": "rollout.types",
    "compare": "evaluation.evaluate",
    "evaluate": "evaluation.evaluate",
    "paired_difference": "evaluation.evaluate",
    "rollout": "rollout.play",
    "train": "run.trainer",
}


def __getattr__(name: str) -> Any:
    """Import names that need torch only when they are first used."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"anchorgym.training.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
