"""Make sandwich: two robots, each with its own side of the table, stack a recipe in order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Final

from anchorgym.envs.core import JSON
from anchorgym.envs.planning import Plan
from anchorgym.envs.roco.game import WAIT, Game

_FILLINGS: Final = ("tomato", "cheese", "cucumber", "ham", "beef_patty", "bacon", "lettuce")
_DECOYS: Final = ("tomato2", "cucumber2")
BOARD, ON_TABLE = "cutting_board", "table"
_MOST_LAYERS: Final = 10


@dataclass(frozen=True, slots=True)
class SandwichState:
    """What lies on the table, what is held, and how much of the recipe is stacked."""

    table: tuple[bool, ...]
    """By food, in the order of `Sandwich.foods`."""
    hands: tuple[str, str] = ("", "")
    """By robot: the food held, or an empty string."""
    stacked: int = 0
    """The number of the recipe's items that are on the board."""


class Sandwich(Game[SandwichState]):
    """Levels `recipe1` to `recipe4`, of 3, 5, 7 and 9 items.

    The sides alternate along the recipe, from Dave's. Beside it there is one useless food a side.
    """

    agents: ClassVar = ("Chad", "Dave")
    levels: ClassVar[Mapping[str, int]] = {"recipe1": 3, "recipe2": 5, "recipe3": 7, "recipe4": 9}

    @cached_property
    def recipe(self) -> tuple[str, ...]:
        """The items, from the board upwards."""
        count = self.levels[self.level]
        return ("bread_slice1", *_FILLINGS[: count - 2], "bread_slice2")

    @cached_property
    def foods(self) -> tuple[str, ...]:
        """All there is."""
        return (*self.recipe, *_DECOYS)

    @cached_property
    def sides(self) -> dict[str, int]:
        """By food: the robot that reaches it."""
        return {food: 1 - k % 2 for k, food in enumerate(self.recipe)} | {
            food: k for k, food in enumerate(_DECOYS)
        }

    def below(self, food: str) -> str:
        """Return what a food belongs onto; the board, for what the recipe does not hold."""
        layer = self.recipe.index(food) if food in self.recipe else 0
        return self.recipe[layer - 1] if layer else BOARD

    def start(self) -> SandwichState:
        """Everything on the table."""
        return SandwichState((True,) * len(self.foods))

    def state_from_json(self, values: Mapping[str, JSON]) -> SandwichState:
        """Read table, hands and stack."""
        chad, dave = values["hands"]
        return SandwichState(tuple(values["table"]), (chad, dave), values["stacked"])

    def goal(self) -> str:
        """Name the recipe."""
        return f"Stack on {BOARD}, from bottom to top: {', '.join(self.recipe)}."

    def manual(self) -> str:
        """Say how stacking works."""
        return (
            "Chad reaches the right side of the table only, Dave the left side only; both reach "
            f"{BOARD}. A gripper holds one food. The recipe is stacked in order, and only one "
            "robot can PUT in a round.\n"
            "[Action Options]\n"
            "1) PICK <food>: with an empty gripper, from one's own side of the table\n"
            f"2) PUT <food> <place>: the food that is held; the place is {BOARD} for the first "
            f"item, the previous item for any other, or {ON_TABLE}\n"
            "3) WAIT"
        )

    def situation(self, state: SandwichState, agent: int) -> str:
        """Say what is on the board, on either side, and held: both robots see everything."""
        lines = [f"On {BOARD}: {', '.join(self.recipe[: state.stacked]) or 'nothing'}."]
        for i, (name, side) in enumerate(zip(self.agents, ("right", "left"), strict=True)):
            there = [
                food
                for food, lies in zip(self.foods, state.table, strict=True)
                if lies and self.sides[food] == i
            ]
            lines.append(f"On the {side} side, for {name}: {', '.join(there) or 'nothing'}.")
        lines += [
            f"{name} holds {hand or 'nothing'}."
            for name, hand in zip(self.agents, state.hands, strict=True)
        ]
        return "\n".join(lines)

    @cached_property
    def _words(self) -> tuple[str, ...]:
        onto = (BOARD, *self.foods, ON_TABLE)
        puts = (f"PUT {food} {place}" for food in self.foods for place in onto if place != food)
        return (*(f"PICK {food}" for food in self.foods), *puts, WAIT)

    def vocabulary(self, agent: int) -> tuple[str, ...]:
        """Both robots may say anything about any food."""
        return self._words

    def broken_rule(self, state: SandwichState, plan: Plan) -> str:
        """One PUT a round, one food a gripper, the recipe in order."""
        if len(plan) > 1 and all(action.startswith("PUT") for action in plan):
            return "only one robot can PUT at a time"
        for i, action in enumerate(plan):
            verb, food, place = (*action.split(), "", "")[:3]
            held, name = state.hands[i], self.agents[i]
            if verb == "PICK" and held:
                return f"{name} cannot PICK {food}, it is already holding {held}"
            if verb == "PUT" and held != food:
                return f"{name} cannot PUT {food}, it is not holding it"
            if verb == "PUT" and place != ON_TABLE:
                broken = self._misplaced(state, food, place)
                if broken:
                    return broken
        return ""

    def _misplaced(self, state: SandwichState, food: str, place: str) -> str:
        if food not in self.recipe:
            return f"{food} is not in the recipe"
        if place != self.below(food):
            return f"recipe says {food} must be put on {self.below(food)}"
        if self.recipe.index(food) != state.stacked:
            return f"{food} must be put on {place}, which is not on {BOARD}"
        return ""

    def out_of_reach(self, state: SandwichState, plan: Plan) -> str:
        """A robot picks what lies on its own side."""
        for i, action in enumerate(plan):
            verb, _, food = action.partition(" ")
            if verb == "PICK" and self.sides[food] != i:
                return f"{food} is out of reach of {self.agents[i]}"
            if verb == "PICK" and not state.table[self.foods.index(food)]:
                return f"{food} is not on the table for {self.agents[i]}"
        return ""

    def moved(self, state: SandwichState, plan: Plan) -> SandwichState:
        """Take into the hand, or put down."""
        table, hands, stacked = list(state.table), list(state.hands), state.stacked
        for i, action in enumerate(plan):
            verb, food, place = (*action.split(), "", "")[:3]
            if verb == "PICK":
                hands[i], table[self.foods.index(food)] = food, False
            elif verb == "PUT":
                hands[i] = ""
                table[self.foods.index(food)] = place == ON_TABLE
                stacked += place != ON_TABLE
        return replace(state, table=tuple(table), hands=(hands[0], hands[1]), stacked=stacked)

    def milestones(self, state: SandwichState) -> tuple[int, int]:
        """Each item is stacked."""
        return state.stacked, len(self.recipe)

    def numbers(self, state: SandwichState) -> list[float]:
        """Flags of what lies on the table, of what each robot holds, and of the stack's height."""
        held = [float(hand == food) for hand in state.hands for food in self.foods]
        height = [float(state.stacked == n) for n in range(_MOST_LAYERS)]
        return [*map(float, state.table), *held, *height]

    def at_least(self, state: SandwichState) -> int:
        """Each item takes a PUT, and the next one a PICK before it unless it is held."""
        left = self.recipe[state.stacked :]
        return len(left) + (bool(left) and left[0] not in state.hands)

    def suggest(self, state: SandwichState, agent: int, before: Plan) -> str:
        """Stack what is next, hold what comes soon, put useless food away."""
        if state.stacked == len(self.recipe):
            return WAIT
        upcoming, held = self.recipe[state.stacked :], state.hands[agent]
        if held == upcoming[0]:
            return f"PUT {held} {self.below(held)}"
        if held:
            return WAIT if held in self.recipe else f"PUT {held} {ON_TABLE}"
        for food in upcoming:
            if self.sides[food] == agent and state.table[self.foods.index(food)]:
                return f"PICK {food}"
        return WAIT

    def slip(self, state: SandwichState, agent: int, rng: random.Random) -> str:
        """Pick any food, do nothing, put down what is held, or put any food."""
        kind = rng.random()
        if kind < 0.4:
            there = [food for food, lies in zip(self.foods, state.table, strict=True) if lies]
            return f"PICK {rng.choice(there or list(self.foods))}"
        if kind < 0.7:
            return WAIT
        if kind < 0.85 and state.hands[agent]:
            return f"PUT {state.hands[agent]} {ON_TABLE}"
        food = rng.choice(self.foods)
        return f"PUT {food} {self.below(food)}"
