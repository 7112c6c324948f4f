"""Cooks as policies, which can play beside people, language models and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anchorgym.agents.policies.base import Policy, View
from anchorgym.agents.policies.scripted import ScriptedPolicy
from anchorgym.envs.errors import OptionError
from anchorgym.envs.overcooked import ACTIONS
from anchorgym.envs.overcooked.acting import LowLevel
from anchorgym.envs.overcooked.cooks import Cook
from anchorgym.envs.overcooked.env import COOKS, OvercookedEnv
from anchorgym.training.worlds.overcooked.network import NeuralCook


class CookPolicy(ScriptedPolicy):
    """A policy that plays the actions of a cook.

    Args:
        cook: cook that chooses actions.
        seed: seed of the cook's random draws.
    """

    def __init__(self, cook: Cook, seed: int = 0) -> None:
        self.cook = cook
        self._rng = np.random.default_rng(seed)

    @classmethod
    def load(cls, folder: str | Path, env: Any, seed: int = 0) -> CookPolicy:
        """Return the cook of a folder, for the kitchen of an environment.

        Raises:
            CookError: the folder holds no cook, or one of another kitchen.
            OptionError: the environment is no kitchen.
        """
        return cls(NeuralCook.load(folder, _kitchen_of(env).kitchen), seed)

    def choose_for(self, agent: str, env: Any, observation: str, view: View) -> str:
        """Return the name of the next action.

        Raises:
            OptionError: the environment is no kitchen, or its actions are mid-level.
        """
        kitchen = _kitchen_of(env)
        return ACTIONS[self.cook(kitchen.game, COOKS.index(agent), self._rng)]


class CookLoader:
    """Loads cooks by their folder, see `training.worlds.registry.PlayerLoader`."""

    def recognises(self, folder: Path) -> bool:
        """Whether a folder holds a cook, or a run that has trained one."""
        return NeuralCook.is_kept_in(folder)

    def load(self, folder: Path, env: Any, seed: int) -> Policy:
        """Return the cook of a folder, for the kitchen of an environment.

        Raises:
            CookError: the cook belongs to another kitchen.
            OptionError: the environment is no kitchen.
        """
        return CookPolicy.load(folder, env, seed)


def _kitchen_of(env: Any) -> OvercookedEnv:
    if not isinstance(env, OvercookedEnv) or not isinstance(env.acting, LowLevel):
        raise OptionError("a cook plays in anchorgym/Overcooked-v0, with low-level actions")
    return env
