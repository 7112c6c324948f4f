"""Attackers who write to a team, and a team that works in spite of them."""

from anchorgym.envs.redteam.env import RedTeamEnv
from anchorgym.envs.redteam.episodes import GOALS, KINDS, SURFACES, Mix
from anchorgym.envs.redteam.graphs import TOPOLOGIES, Team, TooFewRoundsError
from anchorgym.envs.redteam.players import ATTACKERS, DEFENDERS
from anchorgym.envs.redteam.records import Record
from anchorgym.envs.redteam.rewards import Weights

__all__ = [
    "ATTACKERS",
    "DEFENDERS",
    "GOALS",
    "KINDS",
    "SURFACES",
    "TOPOLOGIES",
    "Mix",
    "Record",
    "RedTeamEnv",
    "Team",
    "TooFewRoundsError",
    "Weights",
]
