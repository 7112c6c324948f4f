"""Planning in words: planners, feedback loops that refuse plans, and records of the dialogue.

The loops depend on no particular world, only on the contract `anchorgym.envs.PlanningEnv`; any
`Scorer` can judge plans.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from anchorgym.agents.planning.language import LanguagePlanner, PlannerError

__all__ = [
    "Answer",
    "BestOfK",
    "CoinScorer",
    "Dialogue",
    "LanguagePlanner",
    "Loop",
    "NoFeedback",
    "Planner",
    "PlannerError",
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


def __getattr__(name: str) -> Any:
    """Import names that need torch only when they are first used."""
    if name in ("LanguagePlanner", "PlannerError"):
        return getattr(importlib.import_module("anchorgym.agents.planning.language"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
