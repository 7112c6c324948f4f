"""A small world to plan in, a planner that reads from a script, and a scorer that knows numbers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anchorgym.agents.planning import (
    Loop,
    PlanningPolicy,
    PlanningSession,
    Query,
    Request,
    Score,
)
from anchorgym.envs import AgentOutcome, MultiAgentTextEnv, Plan, PlanningEnv, register
from anchorgym.envs.planning import FloatArray, Reading

OPTIONS = ("wait", "push", "pull", "kick")


@register("test/Cart-v0")
class Cart(MultiAgentTextEnv):
    """Two push a cart three places; pulling while the other pushes is refused, kicking is vain."""

    stochastic = False
    waiting: Plan = ("wait", "wait")

    def __init__(self, *, max_turns: int = 6, **kwargs: Any) -> None:
        super().__init__(("left", "right"), max_turns=max_turns, **kwargs)
        self.place = 0

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ("cart",)

    def start(self, task: str) -> None:
        self.place = 0

    def act(self, actions: Mapping[str, str]) -> Mapping[str, AgentOutcome]:
        plan = tuple(actions.get(name, "wait") for name in self.possible_agents)
        reason, before = self.problem(plan), self.place
        if not reason:
            self.place = max(0, min(3, self.place + plan.count("push") - 2 * plan.count("pull")))
        reward = (self.place - before) / 3
        return dict.fromkeys(self.agents, AgentOutcome(reward, self.place == 3, reason))

    def look(self, agent: str) -> str:
        return f"The cart is at place {self.place}."

    def admissible_actions(self, agent: str) -> tuple[str, ...]:
        return OPTIONS

    def save(self) -> Any:
        return self.place

    def load(self, state: Any) -> None:
        self.place = state

    def won(self, agent: str) -> bool:
        return self.place == 3

    def manual(self, agent: str = "") -> str:
        return f"{agent or 'All'}: push the cart to place 3."

    def situation(self, agent: str = "") -> str:
        return self.look(agent)

    def read_plan(self, text: str, agents: Sequence[str]) -> Reading:
        words = tuple(text.split("+"))
        if len(words) == len(agents) and set(words) <= set(OPTIONS):
            return Reading(words)
        return Reading((), "unreadable")

    def write_plan(self, plan: Plan, agents: Sequence[str] | None = None) -> str:
        return "+".join(plan)

    def problem(self, plan: Plan) -> str:
        return "they work against each other" if {"push", "pull"} <= set(plan) else ""

    def state_vector(self) -> FloatArray:
        return np.eye(4, dtype=np.float32)[self.place]

    def suggest(self, agent: str, before: Plan = ()) -> str:
        return "push"

    def slip(self, agent: str, rng: random.Random) -> str:
        return rng.choice(OPTIONS)


class Script:
    """A planner that gives the answers it was made with, and keeps what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[Query] = []

    def answer(self, requests: Sequence[Request]) -> list[list[str]]:
        found = []
        for request in requests:
            self.asked.append(request.query)
            found.append([self.answers.pop(0) for _ in range(request.query.samples)])
        return found


class Worth:
    """A scorer that looks advantages up: of joint plans, or of the action that comes next."""

    def __init__(self, spread: float = 0.0, **worth: float) -> None:
        self.worth, self.spread = worth, spread

    def joint(self, world: PlanningEnv, plans: Sequence[Plan]) -> list[Score]:
        return [Score(self.worth.get("_".join(plan), -5.0), self.spread) for plan in plans]

    def local(self, world: PlanningEnv, before: Plan, actions: Sequence[str]) -> list[Score]:
        return self.joint(world, [(*before, action) for action in actions])


def planned(loop: Loop, *answers: str) -> tuple[PlanningSession, Script, Cart]:
    """Return a session in a new cart world, with its planner."""
    world, script = Cart(), Script(*answers)
    world.reset(seed=0)
    return PlanningPolicy(script, loop).open(world), script, world


def play_round(session: PlanningSession, world: Cart) -> Plan:
    """Plan and carry out one round."""
    actions = session.act()
    _, rewards, _, _, infos = world.step(actions)
    session.observe(rewards["left"], infos["left"]["reason"])
    return tuple(actions.values())
