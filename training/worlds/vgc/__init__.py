"""Training of battle policies: clones, populations, and groups of battles from one state."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anchorgym.training.worlds.vgc.anchored import GroupConfig, Groups, compare, train_groups
    from anchorgym.training.worlds.vgc.cloning import clone_battles
    from anchorgym.training.worlds.vgc.config import CloneBattlesConfig, PopulationConfig
    from anchorgym.training.worlds.vgc.learner import BattleLearner, BattleRows
    from anchorgym.training.worlds.vgc.populations import train_population

__all__ = [
    "BattleLearner",
    "BattleRows",
    "CloneBattlesConfig",
    "GroupConfig",
    "Groups",
    "PopulationConfig",
    "clone_battles",
    "compare",
    "train_groups",
    "train_population",
]

_LAZY = {
    "BattleLearner": "learner",
    "BattleRows": "learner",
    "CloneBattlesConfig": "config",
    "GroupConfig": "anchored",
    "Groups": "anchored",
    "PopulationConfig": "config",
    "clone_battles": "cloning",
    "compare": "anchored",
    "train_groups": "anchored",
    "train_population": "populations",
}


def __getattr__(name: str) -> Any:
    """Import names that need torch only when they are first used."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
