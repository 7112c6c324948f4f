"""The simulated planner: an expert with mistakes mixed in, in place of a language model."""

from __future__ import annotations

import random
from collections.abc import Sequence

from anchorgym.agents.planning.asking import Query, Request
from anchorgym.envs.planning import Plan, PlanningEnv

_TRIES = 20


class SimulatedPlanner:
    """A planner that answers with the world's suggestion or, at random, with a typical mistake.

    Each action is a mistake with probability `error`. A drawn plan that was refused in this round
    is drawn again with probability `heed`, so most refusals are heeded, but not all. All randomness
    comes from the episode's generator.

    Args:
        error: probability of a mistake, for each agent's action.
        heed: probability that a refusal is heeded.
    """

    def __init__(self, error: float = 0.3, heed: float = 0.9) -> None:
        self.error = error
        self.heed = heed

    def answer(self, requests: Sequence[Request]) -> list[list[str]]:
        """Answer each request in the world's own answer format."""
        return [
            [self._answer(r.world, r.query, r.rng) for _ in range(r.query.samples)]
            for r in requests
        ]

    def _answer(self, world: PlanningEnv, query: Query, rng: random.Random) -> str:
        refused = frozenset(refusal.plan for refusal in query.refused)
        if query.kind == "joint":
            return world.write_plan(self._joint(world, refused, rng))
        if query.kind == "reflect":
            last = query.refused[-1] if query.refused else None
            return f"Do not plan that again: {last.reason}" if last else "Go on like this."
        action = self._action(world, query.agent, query.before, refused, rng)
        plan = (*query.before, action)
        if query.kind == "talk" and len(plan) == len(world.possible_agents):
            return world.write_plan(plan)
        return world.write_plan((action,), (query.agent,))

    def _joint(self, world: PlanningEnv, refused: frozenset[Plan], rng: random.Random) -> Plan:
        plan: Plan = ()
        for _ in range(_TRIES):
            plan = ()
            for agent in world.possible_agents:
                plan = (*plan, self._action(world, agent, plan, frozenset(), rng))
            if plan not in refused or rng.random() > self.heed:
                break
        return plan

    def _action(
        self,
        world: PlanningEnv,
        agent: str,
        before: Plan,
        refused: frozenset[Plan],
        rng: random.Random,
    ) -> str:
        action = ""
        for _ in range(_TRIES):
            right = rng.random() > self.error
            action = world.suggest(agent, before) if right else world.slip(agent, rng)
            if (*before, action) not in refused or rng.random() > self.heed:
                break
        return action
