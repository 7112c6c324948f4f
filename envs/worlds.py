"""The worlds that come with anchorgym, by id.

Each is registered by the place of its class, so that a world is imported when it is first made:
importing `anchorgym.envs` costs no world, and what only one world needs may be missing.
"""

from __future__ import annotations

from typing import Final

import gymnasium as gym
import pettingzoo

SINGLE_AGENT: Final[dict[str, str]] = {
    "anchorgym/ALFWorld-v0": "anchorgym.envs.alfworld.env:ALFWorldEnv",
    "anchorgym/TextWorld-v0": "anchorgym.envs.textworld.env:TextWorldEnv",
    "anchorgym/WebShop-v0": "anchorgym.envs.webshop.env:WebShopEnv",
}
"""`module:Class` of each Gymnasium environment."""

MULTI_AGENT: Final[dict[str, str]] = {
    "anchorgym/Overcooked-v0": "anchorgym.envs.overcooked.env:OvercookedEnv",
    "anchorgym/OvercookedPlan-v0": "anchorgym.envs.overcooked.planned:OvercookedPlanEnv",
    "anchorgym/RedTeam-v0": "anchorgym.envs.redteam.env:RedTeamEnv",
    "anchorgym/RoCoSandwich-v0": "anchorgym.envs.roco.env:RoCoSandwichEnv",
    "anchorgym/RoCoSort-v0": "anchorgym.envs.roco.env:RoCoSortEnv",
    "anchorgym/RoCoSweep-v0": "anchorgym.envs.roco.env:RoCoSweepEnv",
    "anchorgym/VGC-v0": "anchorgym.envs.vgc.env:VGCEnv",
}
"""`module:Class` of each PettingZoo `ParallelEnv`."""


def register_worlds() -> None:
    """Register all of them with Gymnasium and PettingZoo."""
    for env_id, entry_point in SINGLE_AGENT.items():
        gym.register(env_id, entry_point=entry_point)
    for env_id, entry_point in MULTI_AGENT.items():
        pettingzoo.register("parallel", env_id, entry_point=entry_point)
