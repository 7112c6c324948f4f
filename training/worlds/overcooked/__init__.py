"""Cooks that learn: self-play, clones of people, and cooperation for the human's gain."""

from anchorgym.training.worlds.overcooked.crossplay import (
    cooks_league,
    draw,
    find_cook,
    play_pair,
    table,
)
from anchorgym.training.worlds.overcooked.human import (
    CloneConfig,
    Fit,
    HumanDataError,
    HumanGame,
    clone,
    fit_of,
    read_games,
)
from anchorgym.training.worlds.overcooked.network import CookError, CookNet, NeuralCook
from anchorgym.training.worlds.overcooked.ppo import PPOConfig, Progress, SelfPlay
from anchorgym.training.worlds.overcooked.seated import CookPolicy

__all__ = [
    "CloneConfig",
    "CookError",
    "CookNet",
    "CookPolicy",
    "Fit",
    "HumanDataError",
    "HumanGame",
    "NeuralCook",
    "PPOConfig",
    "Progress",
    "SelfPlay",
    "clone",
    "cooks_league",
    "draw",
    "find_cook",
    "fit_of",
    "play_pair",
    "read_games",
    "table",
]
