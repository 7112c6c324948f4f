"""Policies that plan in words: a planner, a loop that refuses plans, and what was said.

The loops know no world's inside, only the contract `anchorgym.envs.PlanningEnv`; what judges plans
is any `Scorer`.
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
    """Import what needs torch when it is first asked for."""
    if name in ("LanguagePlanner", "PlannerError"):
        return getattr(importlib.import_module("anchorgym.agents.planning.language"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
