"""Worlds of several agents: PettingZoo environments that know which state they are in.

All agents move at once; a world of turns says who is `active`. `check_parallel_env` verifies the
contract on anyone's environment.
"""

from anchorgym.envs.multi.contract import AgentInfo, AgentOutcome, AnchoredParallelEnv
from anchorgym.envs.multi.joint import JointEnv
from anchorgym.envs.multi.one_active import OneActiveEnv
from anchorgym.envs.multi.seat import SeatEnv
from anchorgym.envs.multi.text import MultiAgentTextEnv
from anchorgym.envs.multi.turns import TurnsEnv
from anchorgym.envs.multi.world import MultiAgentEnv

__all__ = [
    "AgentInfo",
    "AgentOutcome",
    "AnchoredParallelEnv",
    "JointEnv",
    "MultiAgentEnv",
    "MultiAgentTextEnv",
    "OneActiveEnv",
    "SeatEnv",
    "TurnsEnv",
]
