"""Self-play: roles of a world that learn from and against each other."""

from anchorgym.training.rollout.matches import Arenas, Match, play_matches
from anchorgym.training.selfplay.coevolution import Generation, LeagueExistsError, coevolve
from anchorgym.training.selfplay.config import CoevolveConfig, RoleConfig
from anchorgym.training.selfplay.roles import Role, RoleError, Roles

__all__ = [
    "Arenas",
    "CoevolveConfig",
    "Generation",
    "LeagueExistsError",
    "Match",
    "Role",
    "RoleConfig",
    "RoleError",
    "Roles",
    "coevolve",
    "play_matches",
]
