"""Planning policies: a planner in a feedback loop decides the joint action of each round."""

from __future__ import annotations

import random
from typing import Protocol

from anchorgym.agents.planning.asking import Planner, Query, Request
from anchorgym.agents.planning.room import Planning, Room
from anchorgym.envs.planning import Plan, PlanningEnv


class Loop(Protocol):
    """A feedback loop: the rules for what to ask, what to refuse, and when to stop."""

    def plan(self, room: Room) -> Planning:
        """Yield queries, receive their answers, and return the plan of the round."""
        ...


class PlanningPolicy:
    """A planner inside a feedback loop.

    Args:
        planner: planner that answers queries in words.
        loop: feedback loop that decides what to ask and which answer to take.
    """

    def __init__(self, planner: Planner, loop: Loop) -> None:
        self.planner = planner
        self.loop = loop

    def open(self, world: PlanningEnv, seed: int = 0) -> PlanningSession:
        """Begin an episode in a world whose `reset` has been called."""
        return PlanningSession(self, world, seed)


class PlanningSession:
    """A planning policy's side of one episode, for all agents of a team."""

    def __init__(self, policy: PlanningPolicy, world: PlanningEnv, seed: int) -> None:
        self._policy = policy
        self.room = Room(world, random.Random(seed))

    def plan(self) -> Planning:
        """Plan a round as a generator, whose caller has the queries answered.

        A driver of many sessions collects their queries, has the planner answer them in one batch
        and sends each session its answers.
        """
        self.room.begin()
        plan = yield from self._policy.loop.plan(self.room)
        self.room.now.plan = plan
        return plan

    def request(self, query: Query) -> Request:
        """Return the planner's request for a query that `plan` has yielded."""
        return Request(self.room.world, query, self.room.rng)

    def act(self) -> dict[str, str]:
        """Plan a round with the policy's own planner; return the action of each agent."""
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
        """Record the outcome of the plan: its reward, or why it was not carried out."""
        self.room.finish(reward, reason)
