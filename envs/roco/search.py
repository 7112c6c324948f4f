"""Shortest plans, by A* over joint plans."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator

from anchorgym.envs.errors import NoExpertError
from anchorgym.envs.planning import Plan
from anchorgym.envs.roco.game import Game, S


def shortest_plans(game: Game[S], state: S, *, informed: bool = True) -> list[Plan]:
    """Return the plans of a shortest way from a state to the goal; empty when it is there.

    Args:
        game: the level.
        state: where to begin.
        informed: use the game's own lower bound. Without it the search is breadth-first: slower,
            and proof that the bound misleads nobody.

    Raises:
        NoExpertError: nothing leads from there to the goal.
    """
    order = itertools.count()  # the first that is found among equals, whatever a state compares as
    bound = game.at_least if informed else lambda _: 0
    came: dict[S, tuple[S, Plan] | None] = {state: None}
    rounds = {state: 0}
    waiting = [(bound(state), next(order), state)]
    while waiting:
        estimate, _, here = heapq.heappop(waiting)
        if game.solved(here):
            return _way(came, here)
        if estimate > rounds[here] + bound(here):
            continue
        for plan in _plans(game, here):
            after = game.moved(here, plan)
            if rounds[here] + 1 < rounds.get(after, math.inf):
                rounds[after], came[after] = rounds[here] + 1, (here, plan)
                heapq.heappush(waiting, (rounds[after] + bound(after), next(order), after))
    raise NoExpertError(f"{type(game).__name__} {game.level} cannot be solved from {state}")


def _plans(game: Game[S], state: S) -> Iterator[Plan]:
    """Yield the plans of actions that lead somewhere and have no problem together."""
    for plan in itertools.product(*(game.useful(state, i) for i in range(len(game.agents)))):
        if not game.problem(state, plan):
            yield plan


def _way(came: dict[S, tuple[S, Plan] | None], end: S) -> list[Plan]:
    plans: list[Plan] = []
    step = came[end]
    while step is not None:
        plans.append(step[1])
        step = came[step[0]]
    return plans[::-1]
