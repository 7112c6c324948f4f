"""Environments that know which state they are in.

Importing this package registers `anchorgym/…` with Gymnasium, and with PettingZoo what is of
several agents.
"""

from anchorgym.envs.alfworld.env import ALFWorldEnv
from anchorgym.envs.checking.check import CheckReport, check_env
from anchorgym.envs.checking.parallel import check_parallel_env
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
from anchorgym.envs.overcooked.env import OvercookedEnv
from anchorgym.envs.overcooked.planned import OvercookedPlanEnv
from anchorgym.envs.panels import panel_hash, sub_panel
from anchorgym.envs.planning import Plan, PlanningEnv
from anchorgym.envs.redteam.env import RedTeamEnv
from anchorgym.envs.registration import make, make_parallel, register
from anchorgym.envs.roco.env import RoCoSandwichEnv, RoCoSortEnv, RoCoSweepEnv
from anchorgym.envs.spaces import Unicode
from anchorgym.envs.textworld.env import TextWorldEnv
from anchorgym.envs.vector import TextVectorEnv
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
