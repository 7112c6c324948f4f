"""Feedback loops as policies: a planner in a loop decides the joint action of a round."""

from __future__ import annotations

import random
from typing import Protocol

from anchorgym.agents.planning.asking import Planner, Query, Request
from anchorgym.agents.planning.room import Planning, Room
from anchorgym.envs.planning import Plan, PlanningEnv


class Loop(Protocol):
    """How a plan is found: what is asked, what is refused, and when to stop."""

    def plan(self, room: Room) -> Planning:
        """Yield queries, take their answers, return the plan of the round."""
        ...


class PlanningPolicy:
    """A planner inside a feedback loop.

    Args:
        planner: answers queries in words.
        loop: decides what to ask and which answer to take.
    """

    def __init__(self, planner: Planner, loop: Loop) -> None:
        self.planner = planner
        self.loop = loop

    def open(self, world: PlanningEnv, seed: int = 0) -> PlanningSession:
        """Begin an episode in a world whose `reset` has been called."""
        return PlanningSession(self, world, seed)


class PlanningSession:
    """All agents' side of one episode."""

    def __init__(self, policy: PlanningPolicy, world: PlanningEnv, seed: int) -> None:
        self._policy = policy
        self.room = Room(world, random.Random(seed))

    def plan(self) -> Planning:
        """Plan a round, leaving it to the caller to have the queries answered.

        A driver of many sessions collects their queries, has the planner answer them together and
        sends each session its answers.
        """
        self.room.begin()
        plan = yield from self._policy.loop.plan(self.room)
        self.room.now.plan = plan
        return plan

    def request(self, query: Query) -> Request:
        """Return a query that `plan` has yielded as the planner takes it."""
        return Request(self.room.world, query, self.room.rng)

    def act(self) -> dict[str, str]:
        """Plan a round with the policy's own planner: the action of each agent."""
        planning = self.plan()
        try:
            query = next(planning)
            while True:
                (answers,) = self._policy.planner.answer([self.request(query)])
                query = planning.send(answers)
        except StopIteration as stop:
            plan: Plan = stop.value
        return dict(zip(self.room.agents, plan, strict=True))

    def observe(self, reward: float, reason: str = "") -> None:
        """Tell the session what its plan did: the reward, or why it was not carried out."""
        self.room.finish(reward, reason)
