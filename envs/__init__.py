"""Environments that know which state they are in.

Importing this package registers the `anchorgym/…` environments: those of one agent with Gymnasium,
those of several with PettingZoo. A world's own modules are imported when it is first made, and the
checks when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from anchorgym.envs.core import AnchoredEnv, ExpertKind, Info, Outcome, TextEnv
from anchorgym.envs.errors import AnchorgymError, UnknownTaskError
from anchorgym.envs.multi import (
    AgentInfo,
    AgentOutcome,
    AnchoredParallelEnv,
    JointEnv,
    MultiAgentEnv,
    MultiAgentTextEnv,
    OneActiveEnv,
    SeatEnv,
    TurnsEnv,
)
from anchorgym.envs.panels import panel_hash, sub_panel
from anchorgym.envs.planning import Plan, PlanningEnv
from anchorgym.envs.registration import make, make_parallel, register
from anchorgym.envs.spaces import Unicode
from anchorgym.envs.vector import TextVectorEnv
from anchorgym.envs.worlds import MULTI_AGENT, SINGLE_AGENT, register_worlds

if TYPE_CHECKING:
    from anchorgym.envs.alfworld.env import ALFWorldEnv
    from anchorgym.envs.checking import CheckReport, check_env, check_parallel_env
    from anchorgym.envs.overcooked.env import OvercookedEnv
    from anchorgym.envs.overcooked.planned import OvercookedPlanEnv
    from anchorgym.envs.redteam.env import RedTeamEnv
    from anchorgym.envs.roco.env import RoCoSandwichEnv, RoCoSortEnv, RoCoSweepEnv
    from anchorgym.envs.textworld.env import TextWorldEnv
    from anchorgym.envs.vgc.env import VGCEnv
    from anchorgym.envs.webshop.env import WebShopEnv

__all__ = [
    "ALFWorldEnv",
    "AgentInfo",
    "AgentOutcome",
    "AnchoredEnv",
    "AnchoredParallelEnv",
    "AnchorgymError",
    "CheckReport",
    "ExpertKind",
    "Info",
    "JointEnv",
    "MultiAgentEnv",
    "MultiAgentTextEnv",
    "OneActiveEnv",
    "Outcome",
    "OvercookedEnv",
    "OvercookedPlanEnv",
    "Plan",
    "PlanningEnv",
    "RedTeamEnv",
    "RoCoSandwichEnv",
    "RoCoSortEnv",
    "RoCoSweepEnv",
    "SeatEnv",
    "TextEnv",
    "TextVectorEnv",
    "TextWorldEnv",
    "TurnsEnv",
    "Unicode",
    "UnknownTaskError",
    "VGCEnv",
    "WebShopEnv",
    "check_env",
    "check_parallel_env",
    "make",
    "make_parallel",
    "panel_hash",
    "register",
    "sub_panel",
]

_LAZY = {
    "CheckReport": "anchorgym.envs.checking",
    "check_env": "anchorgym.envs.checking",
    "check_parallel_env": "anchorgym.envs.checking",
    **{
        name: module
        for module, _, name in (
            entry_point.partition(":") for entry_point in (SINGLE_AGENT | MULTI_AGENT).values()
        )
    },
}

register_worlds()


def __getattr__(name: str) -> Any:
    """Import a world, or the checks, when they are first asked for."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
