"""Evaluation of red-team runs: attack success, contagion, utility, and best responses."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anchorgym.training.worlds.redteam.evaluation import (
        TeamFigures,
        evaluate_teams,
        play_panel,
    )
    from anchorgym.training.worlds.redteam.responding import (
        best_attacker,
    )

__all__ = [
    "TeamFigures",
    "best_attacker",
    "evaluate_teams",
    "play_panel",
]

_LAZY = {
    "TeamFigures": "evaluation",
    "best_attacker": "responding",
    "evaluate_teams": "evaluation",
    "play_panel": "evaluation",
}


def __getattr__(name: str) -> Any:
    """Import names that need torch only when they are first used."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
