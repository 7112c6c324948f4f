"""Environments that know which state they are in.

Importing this package registers `anchorgym/…` with Gymnasium.
"""

from anchorgym.envs.alfworld.env import ALFWorldEnv
from anchorgym.envs.checking import CheckReport, check_env
from anchorgym.envs.core import AnchoredEnv, ExpertKind, Info, Outcome, TextEnv
from anchorgym.envs.errors import AnchorgymError, UnknownTaskError
from anchorgym.envs.panels import panel_hash, sub_panel
from anchorgym.envs.registration import make, register
from anchorgym.envs.spaces import Unicode
from anchorgym.envs.textworld.env import TextWorldEnv
from anchorgym.envs.vector import TextVectorEnv
from anchorgym.envs.webshop.env import WebShopEnv

__all__ = [
    "ALFWorldEnv",
    "AnchoredEnv",
    "AnchorgymError",
    "CheckReport",
    "ExpertKind",
    "Info",
    "Outcome",
    "TextEnv",
    "TextVectorEnv",
    "TextWorldEnv",
    "Unicode",
    "UnknownTaskError",
    "WebShopEnv",
    "check_env",
    "make",
    "panel_hash",
    "register",
    "sub_panel",
]
