"""Cooks that need no training: at random, greedy, and with a plan for both.

A cook is a function of (state, seat, generator) and keeps no memory, so it can play a seat of a
world whose states can be returned to, see `beside`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from anchorgym.envs.errors import OptionError, did_you_mean
from anchorgym.envs.overcooked.items import DISH
from anchorgym.envs.overcooked.jobs import Jobs
from anchorgym.envs.overcooked.kitchen import ACTIONS, INTERACT, STAY, Kitchen, State
from anchorgym.envs.overcooked.planner import Planner
from anchorgym.envs.overcooked.walking import Walks

_KEPT_OFF: Final = 2
"""Ticks from a pot at which a greedy cook waits with an ingredient."""


class Cook(Protocol):
    """Chooses a low-level action for one seat."""

    def __call__(self, state: State, seat: int, rng: np.random.Generator) -> int:
        """Return an index into `ACTIONS`."""
        ...


class RandomCook:
    """Any of the six actions, each as likely."""

    def __init__(self, kitchen: Kitchen) -> None:
        pass

    def __call__(self, state: State, seat: int, rng: np.random.Generator) -> int:
        """Return an action."""
        return int(rng.integers(len(ACTIONS)))


class GreedyCook:
    """Does what it can do soonest, and walks as if its partner stood still.

    It heeds what the partner holds, not what it is about to do; a step at random now and then
    gets it out of the way.
    """

    stubbornness: Final = 0.5
    """How often it stays rather than stepping aside when it cannot get on."""

    politeness: Final = 0.25
    """How often it lets its partner go first where both could step next."""

    def __init__(self, kitchen: Kitchen) -> None:
        self._kitchen, self._walks = kitchen, Walks(kitchen)
        self._jobs = Jobs(kitchen, self._walks)

    def __call__(self, state: State, seat: int, rng: np.random.Generator) -> int:
        """Return an action."""
        stance, partner = state.stances[seat], state.stances[1 - seat] >> 2
        goal = self._jobs.own_goal(state, seat)
        if goal is not None and self._kitchen.front[stance] == goal.cell and goal.interact:
            return INTERACT
        step = None
        # With an ingredient that no pot takes it keeps off: whoever has a dish comes first.
        off = goal is not None and not goal.interact and state.held[seat] != DISH
        if goal is not None and self._walks.distance(stance, goal.cell) > (_KEPT_OFF if off else 0):
            step = self._walks.step_towards(stance, goal.cell, partner)
        if step is None:  # it waits, or its partner bars the way
            return STAY if rng.random() < self.stubbornness else int(rng.integers(4))
        entered = self._kitchen.moved[stance][step] >> 2
        shared = entered != stance >> 2 and abs(entered - partner) in self._kitchen.offsets
        return STAY if shared and rng.random() < self.politeness else step


class PlannerCook:
    """Plays its part of a plan for both; see `Planner`.

    Where the plan has it wait or does not get it on, it is greedy now and then: the partner may
    not be one that follows the plan.
    """

    impatience: Final = 0.1

    def __init__(self, kitchen: Kitchen) -> None:
        self._planner = Planner(kitchen)
        self._greedy = GreedyCook(kitchen)

    def __call__(self, state: State, seat: int, rng: np.random.Generator) -> int:
        """Return an action."""
        action = self._planner.action(state, seat)
        impatient = rng.random() < self.impatience
        if impatient and (action == STAY or self._planner.is_barred(state, seat, action)):
            return self._greedy(state, seat, rng)
        return action


KINDS: Final[dict[str, Callable[[Kitchen], Cook]]] = {
    "random": RandomCook,
    "greedy": GreedyCook,
    "planner": PlannerCook,
}
"""Cooks by name; each is made with its kitchen."""


def make_cook(name: str, kitchen: Kitchen) -> Cook:
    """Return a cook by name.

    Raises:
        OptionError: there is none of that name.
    """
    if name not in KINDS:
        raise OptionError(
            f"unknown cook {name!r}.{did_you_mean(name, KINDS)} There are: {', '.join(KINDS)}"
        )
    return KINDS[name](kitchen)


def play_out(
    kitchen: Kitchen, cooks: tuple[Cook, Cook], *, ticks: int = 400, seed: int = 0
) -> tuple[list[State], list[int]]:
    """Return the states of a game from the kitchen's start, and the score at each.

    Args:
        kitchen: where.
        cooks: by seat.
        ticks: how long.
        seed: of the cooks' chance.
    """
    rng = np.random.default_rng(seed)
    states, scores = [kitchen.start()], [0]
    for _ in range(ticks):
        first, second = cooks[0](states[-1], 0, rng), cooks[1](states[-1], 1, rng)
        state, *effects = kitchen.step(states[-1], first, second)
        states.append(state)
        scores.append(scores[-1] + sum(effect.reward for effect in effects))
    return states, scores
