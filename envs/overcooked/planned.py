"""Overcooked as a task that two cooks plan together, tick by tick, until a soup is delivered."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from anchorgym.envs.answers import read_answer, write_answer
from anchorgym.envs.multi import AgentOutcome
from anchorgym.envs.overcooked.codes import Codes
from anchorgym.envs.overcooked.env import COOKS, OvercookedEnv
from anchorgym.envs.overcooked.items import SOUP, STARTED, is_soup, pot_mix, size
from anchorgym.envs.overcooked.kitchen import ACTIONS, INTERACT, STAY, State
from anchorgym.envs.overcooked.layouts import Layout
from anchorgym.envs.overcooked.planner import Planner
from anchorgym.envs.planning import FloatArray, Plan, Reading
from anchorgym.envs.spaces import as_admissible

RULES: Final = {"orders": ("oo",), "cooking": "manual", "time": 2}
"""A soup of two onions that cooks for two ticks: the task of arXiv 2405.14314."""
_STARTED, _PLATED, _DELIVERED = 1, 2, 3
"""Steps of the task after the last ingredient."""


class OvercookedPlanEnv(OvercookedEnv):
    """Two cooks agree on their next actions until a soup is delivered; a `PlanningEnv`.

    One round is one tick of low-level actions. A joint plan with a problem is not carried out:
    both cooks stay, and the tick passes. The cooks share the reward: the share of the task that
    the tick gets done, which is counted in ingredients, the start, the plating and the delivery
    of the best soup under way. It can be negative, when a soup is put where it is of no use.

    Args:
        layout: see `OvercookedEnv`.
        rules: by default, those of `RULES`.
        target: deliveries to be made.
        max_turns: ticks there are.
        split, render_mode: as for `OvercookedEnv`.
    """

    waiting: Plan = ("stay", "stay")

    def __init__(
        self,
        layout: str | Layout = "cramped_room",
        *,
        rules: Mapping[str, Any] | None = None,
        target: int = 1,
        split: str = "standard",
        max_turns: int = 20,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(
            layout,
            rules=RULES if rules is None else rules,
            target=target,
            split=split,
            max_turns=max_turns,
            render_mode=render_mode,
        )
        self._experts = Planner(self.kitchen, last=True), Planner(self.kitchen)
        self._joint: tuple[State, tuple[int, int]] | None = None
        self._codes = Codes(self.kitchen)

    def act(self, actions: Mapping[str, str]) -> Mapping[str, AgentOutcome]:
        """Carry out the joint plan, if it has no problem."""
        plan = tuple(as_admissible(actions.get(cook, "stay"), ACTIONS) for cook in COOKS)
        feasible = not self.problem(plan)
        before = self.progress(COOKS[0])
        outcomes = super().act(dict(zip(COOKS, plan if feasible else self.waiting, strict=True)))
        reward = self.progress(COOKS[0]) - before
        return {
            cook: outcome._replace(reward=reward, reason=outcome.reason if feasible else reason)
            for (cook, outcome), reason in zip(
                outcomes.items(), self._own_problems(plan), strict=True
            )
        }

    def progress(self, agent: str) -> float:
        """Return which share of the task is done, in [0, 1]."""
        whole = min(map(size, self.kitchen.rules.wanted)) + _DELIVERED
        under_way = max([0, *map(self._in_pot, self.game.pots), *self._plated(self.game)])
        assert self.target is not None
        return min(1.0, (self.delivered + under_way / whole) / self.target)

    def expert_action(self, agent: str, kind: Any = "honest") -> str:
        """Return the planner's next action, for either kind: nothing is hidden."""
        return self.suggest(agent)

    # A world that is planned for ------------------------------------------------------------

    def manual(self, agent: str = "") -> str:
        """Return goal, rules and action options."""
        who = f"You are {agent}. " if agent else ""
        return (
            f"{who}The cooks are {' and '.join(COOKS)}. {self.goal(COOKS[0])}\n"
            "Take ingredients from their dispensers and put them into a pot; start it with empty "
            "hands; take the soup out with a dish when it is ready, and bring it to the hatch. "
            "Cooks who would step to the same place, or change places, only turn.\n"
            "[Action Options]\n"
            "1) north, south, east, west: go there, or turn to what is in the way\n"
            "2) interact: with what the cook faces\n"
            "3) stay"
        )

    def situation(self, agent: str = "") -> str:
        """Return the report of a cook, without the clock; by default, of each in turn."""
        if agent:
            told = self.reports.tell(
                self.game, COOKS.index(agent), tick=0, horizon=self.max_turns, score=0
            )
            return told.partition("\n")[2]
        return "\n\n".join(f"{cook}:\n{self.situation(cook)}" for cook in COOKS)

    def read_plan(self, text: str, agents: Sequence[str]) -> Reading:
        """Read an answer; words that are no action make it unreadable."""
        reading = read_answer(text, agents)
        plan = tuple(as_admissible(action, ACTIONS) for action in reading.plan)
        for name, action in zip(agents, plan, strict=False):
            if action not in ACTIONS:
                return Reading((), f"Parsing failed: {name}'s ACTION {action[:80]!r} is no option")
        return Reading(plan, reading.problem)

    def write_plan(self, plan: Plan, agents: Sequence[str] | None = None) -> str:
        """Write an answer."""
        return write_answer(self.possible_agents if agents is None else agents, plan)

    def problem(self, plan: Plan) -> str:
        """Say why a plan, or the first cook's part of one, cannot be carried out."""
        for cook, problem in zip(COOKS, self._own_problems(plan), strict=False):
            if problem:
                return f"{cook}: {problem}"
        return ""

    def state_vector(self) -> FloatArray:
        """Return the joint state as `Codes` has it, (n_features,)."""
        vector: FloatArray = self._codes.of_states([self.game])[0, 0]
        return vector

    def suggest(self, agent: str, before: Plan = ()) -> str:
        """Return the action that the planner has for a cook."""
        if self._joint is None or self._joint[0] != self.game:
            assert self.target is not None
            last = self.target - self.delivered <= 1
            self._joint = self.game, self._experts[0 if last else 1].joint(self.game)
        return ACTIONS[self._joint[1][COOKS.index(agent)]]

    def slip(self, agent: str, rng: random.Random) -> str:
        """Return an action that gets nowhere: any step, doing nothing, or a hasty interaction."""
        kind = rng.random()
        if kind < 0.5:
            return rng.choice(ACTIONS[:STAY])
        return ACTIONS[STAY] if kind < 0.8 else ACTIONS[INTERACT]

    # Details --------------------------------------------------------------------------------

    def _own_problems(self, plan: Plan) -> list[str]:
        return [self.acting.refusal(self.game, seat, action) for seat, action in enumerate(plan)]

    def _in_pot(self, pot: int) -> int:
        """Return how many steps towards a wanted soup a pot has seen."""
        mix, wanted = pot_mix(pot), self.kitchen.rules.wanted
        if pot >= STARTED:
            return size(mix) + _STARTED if mix in wanted else 0
        return size(mix) if size(mix) <= max(map(size, wanted)) else 0

    def _plated(self, state: State) -> list[int]:
        things = (*state.held, *state.counters)
        soups = [thing - SOUP for thing in things if is_soup(thing)]
        return [size(mix) + _PLATED for mix in soups if mix in self.kitchen.rules.wanted]
