"""Policies that plan in words: a planner, a loop that refuses plans, and what was said.

The loops know no world's inside, only the contract `anchorgym.envs.PlanningEnv`; what judges plans
is any `Scorer`.
"""

from anchorgym.agents.planning.asking import (
    CoinScorer,
    Planner,
    Query,
    Refusal,
    Request,
    Score,
    Scorer,
)
from anchorgym.agents.planning.dialogue import Answer, Dialogue, Round
from anchorgym.agents.planning.loops import (
    BestOfK,
    NoFeedback,
    ReAct,
    RoCoDialogue,
    Verified,
    central_plan,
    mind_agent,
    reflexion,
)
from anchorgym.agents.planning.policy import Loop, PlanningPolicy, PlanningSession
from anchorgym.agents.planning.read import ReAdJ, ReAdS, Threshold
from anchorgym.agents.planning.room import Room
from anchorgym.agents.planning.simulated import SimulatedPlanner

__all__ = [
    "Answer",
    "BestOfK",
    "CoinScorer",
    "Dialogue",
    "Loop",
    "NoFeedback",
    "Planner",
    "PlanningPolicy",
    "PlanningSession",
    "Query",
    "ReAct",
    "ReAdJ",
    "ReAdS",
    "Refusal",
    "Request",
    "RoCoDialogue",
    "Room",
    "Round",
    "Score",
    "Scorer",
    "SimulatedPlanner",
    "Threshold",
    "Verified",
    "central_plan",
    "mind_agent",
    "reflexion",
]
