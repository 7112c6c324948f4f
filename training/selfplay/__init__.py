"""Self-play: co-evolution of the roles of a multi-agent world."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anchorgym.training.rollout.env_pool import EnvPool
    from anchorgym.training.rollout.play import play_matches
    from anchorgym.training.rollout.types import Match
    from anchorgym.training.selfplay.coevolution import coevolve
    from anchorgym.training.selfplay.config import CoevolveConfig, RoleConfig
    from anchorgym.training.selfplay.generations import Generation
    from anchorgym.training.selfplay.roles import Role, RoleError, Roles

__all__ = [
    "CoevolveConfig",
    "EnvPool",
    "Generation",
    "Match",
    "Role",
    "RoleConfig",
    "RoleError",
    "Roles",
    "coevolve",
    "play_matches",
]

_LAZY = {
    "CoevolveConfig": "selfplay.config",
    "EnvPool": "rollout.env_pool",
    "Generation": "selfplay.generations",
    "Match": "rollout.types",
    "Role": "selfplay.roles",
    "RoleConfig": "selfplay.config",
    "RoleError": "selfplay.roles",
    "Roles": "selfplay.roles",
    "coevolve": "selfplay.coevolution",
    "play_matches": "rollout.play",
}


def __getattr__(name: str) -> Any:
    """Import names that need torch only when they are first used."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"anchorgym.training.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
