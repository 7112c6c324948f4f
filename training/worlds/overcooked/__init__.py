"""Training of cooks: self-play, clones of people, and tuning for the human's gain."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anchorgym.training.worlds.overcooked.config import (
        CloneConfig,
        PPOConfig,
    )
    from anchorgym.training.worlds.overcooked.crossplay import (
        cooks_league,
        draw,
        find_cook,
        play_pair,
        table,
    )
    from anchorgym.training.worlds.overcooked.gain import (
        TUNING,
        Gain,
        GainConfig,
        Mixed,
        play_beside,
    )
    from anchorgym.training.worlds.overcooked.human import (
        Fit,
        HumanDataError,
        HumanGame,
        clone,
        fit_of,
        read_games,
    )
    from anchorgym.training.worlds.overcooked.network import (
        CookError,
        CookNet,
        NeuralCook,
    )
    from anchorgym.training.worlds.overcooked.ppo import (
        Progress,
        SelfPlay,
    )
    from anchorgym.training.worlds.overcooked.seated import (
        CookPolicy,
    )

__all__ = [
    "TUNING",
    "CloneConfig",
    "CookError",
    "CookNet",
    "CookPolicy",
    "Fit",
    "Gain",
    "GainConfig",
    "HumanDataError",
    "HumanGame",
    "Mixed",
    "NeuralCook",
    "PPOConfig",
    "Progress",
    "SelfPlay",
    "clone",
    "cooks_league",
    "draw",
    "find_cook",
    "fit_of",
    "play_beside",
    "play_pair",
    "read_games",
    "table",
]

_LAZY = {
    "CloneConfig": "config",
    "CookError": "network",
    "CookNet": "network",
    "CookPolicy": "seated",
    "Fit": "human",
    "Gain": "gain",
    "GainConfig": "gain",
    "HumanDataError": "human",
    "HumanGame": "human",
    "Mixed": "gain",
    "NeuralCook": "network",
    "PPOConfig": "config",
    "Progress": "ppo",
    "SelfPlay": "ppo",
    "TUNING": "gain",
    "clone": "human",
    "cooks_league": "crossplay",
    "draw": "crossplay",
    "find_cook": "crossplay",
    "fit_of": "human",
    "play_beside": "gain",
    "play_pair": "crossplay",
    "read_games": "human",
    "table": "crossplay",
}


def __getattr__(name: str) -> Any:
    """Import names that need torch only when they are first used."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
