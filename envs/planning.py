"""The contract for worlds that are planned in rounds: every agent says one action, then all move.

A `PlanningEnv` is a multi-agent world that can also be talked about: it reads plans out of answers,
says what is wrong with them before they are carried out, and describes itself in words and numbers.
Planners, feedback loops and critics need no more of a world than this.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

Plan = tuple[str, ...]
"""One action an agent, in the order of the agents; a shorter one is of the first agents only."""


class Reading(NamedTuple):
    """The plan that was read from an answer, or why none could be read."""

    plan: Plan
    """The actions of the agents that were asked for; empty when the answer could not be read."""
    problem: str = ""
    """Why it could not be read."""


@runtime_checkable
class PlanningEnv(Protocol):
    """A world whose agents act by a joint plan each round."""

    possible_agents: list[str]
    waiting: Plan
    """The plan in which nobody does anything."""

    def anchor(self) -> bytes:
        """Return a key of the joint state, see `AnchoredParallelEnv.anchor`."""
        ...

    def manual(self, agent: str = "") -> str:
        """Return task, rules and action options, for one agent or (by default) for all."""
        ...

    def situation(self, agent: str = "") -> str:
        """Return what an agent sees now; by default, what all see together."""
        ...

    def read_plan(self, text: str, agents: Sequence[str]) -> Reading:
        """Return the actions that an answer gives the agents named."""
        ...

    def write_plan(self, plan: Plan, agents: Sequence[str] | None = None) -> str:
        """Return a plan of agents (by default, all) as an answer that `read_plan` reads."""
        ...

    def problem(self, plan: Plan) -> str:
        """Say why a plan cannot be carried out now; empty when it can.

        For a plan of the first agents only, it names what no actions of the others could mend.
        """
        ...

    def state_vector(self) -> FloatArray:
        """Return the joint state as numbers, (n_features,); always as many within a task."""
        ...

    def suggest(self, agent: str, before: Plan = ()) -> str:
        """Return an honest expert's action for an agent, given what those before it will do."""
        ...

    def slip(self, agent: str, rng: random.Random) -> str:
        """Return a mistake that a planner of this task would make for an agent."""
        ...
