"""A cook that plans for both: jobs by `Jobs`, ways by a joint search that keeps them apart."""

from __future__ import annotations

import heapq
from typing import Final

from anchorgym.envs.overcooked.jobs import Goal, Jobs
from anchorgym.envs.overcooked.kitchen import INTERACT, STAY, Kitchen, State
from anchorgym.envs.overcooked.walking import Walks

MOST_STATES: Final = 4000
"""Pairs of stances after which the search for a joint way gives up."""

_URGENT, _WAITING = 1000, 100
"""What a tick before a goal is faced costs; a step costs 1."""

Stances = tuple[int, int]
_Node = tuple[Stances, tuple[bool, bool]]
"""Both stances, and who has faced its goal already."""


class Planner:
    """Plans the next actions of both cooks from nothing but the state.

    It has no memory, so two planners in one kitchen agree, and beside another partner it plans
    anew each tick around what that one did. Beside a partner that does not make way as planned
    it may wait for ever; `PlannerCook` does not.

    Args:
        kitchen: where.
        last: see `Jobs`.
    """

    def __init__(self, kitchen: Kitchen, *, last: bool = False) -> None:
        self._kitchen = kitchen
        self._walks = Walks(kitchen)
        self._jobs = Jobs(kitchen, self._walks, last=last)

    def action(self, state: State, seat: int) -> int:
        """Return the low-level action of one cook."""
        return self.joint(state)[seat]

    def joint(self, state: State) -> tuple[int, int]:
        """Return the low-level actions of both cooks."""
        goals = self._jobs.goals(state)
        moves = self._moves(state.stances, goals)
        return self._act(state, 0, goals[0], moves[0]), self._act(state, 1, goals[1], moves[1])

    def is_barred(self, state: State, seat: int, action: int) -> bool:
        """Whether an action leads to where the partner stands now."""
        entered = self._kitchen.moved[state.stances[seat]][action] >> 2
        return entered == state.stances[1 - seat] >> 2

    def _act(self, state: State, seat: int, goal: Goal | None, move: int) -> int:
        if goal is not None and self._kitchen.front[state.stances[seat]] == goal.cell:
            return INTERACT if goal.interact else move
        return move

    def _moves(self, start: Stances, goals: list[Goal | None]) -> tuple[int, int]:
        """Return the first moves of a way on which both get to face their goals soonest (A*).

        A cook that has been there may make way; one that only waits there matters less.
        """
        cells = [-1 if goal is None else goal.cell for goal in goals]
        weights = [_URGENT if goal and goal.interact else _WAITING for goal in goals]
        root = self._node(start, cells, (False, False))
        first: dict[_Node, tuple[int, int]] = {root: (STAY, STAY)}
        costs = {root: 0}
        frontier = [(self._to_go(root, cells, weights), 0, root)]
        while frontier and len(costs) < MOST_STATES:
            _, cost, node = heapq.heappop(frontier)
            stances, done = node
            if all(done):
                return first[node]
            if cost > costs[node]:
                continue
            fee = sum(weights[seat] for seat in (0, 1) if not done[seat])
            for after, moves in self._steps(stances):
                reached = self._node(after, cells, done)
                paid = cost + fee + (moves[0] != STAY) + (moves[1] != STAY)
                if paid < costs.get(reached, paid + 1):
                    costs[reached] = paid
                    first[reached] = moves if node == root else first[node]
                    entry = (paid + self._to_go(reached, cells, weights), paid, reached)
                    heapq.heappush(frontier, entry)
        return self._each_for_itself(start, cells)

    def _node(self, stances: Stances, cells: list[int], done: tuple[bool, bool]) -> _Node:
        front = self._kitchen.front
        there = [
            done[seat] or cells[seat] < 0 or front[stances[seat]] == cells[seat] for seat in (0, 1)
        ]
        return stances, (there[0], there[1])

    def _to_go(self, node: _Node, cells: list[int], weights: list[int]) -> int:
        stances, done = node
        return sum(
            weights[seat] * self._walks.distance(stances[seat], cells[seat])
            for seat in (0, 1)
            if not done[seat]
        )

    def _steps(self, stances: Stances) -> list[tuple[Stances, tuple[int, int]]]:
        moved = self._kitchen.moved
        old0, old1 = stances
        steps = []
        for first in range(5):
            new0 = moved[old0][first]
            for second in range(5):
                new1 = moved[old1][second]
                meet = new0 >> 2 == new1 >> 2
                swap = new0 >> 2 == old1 >> 2 and new1 >> 2 == old0 >> 2
                if not meet and not swap:
                    steps.append(((new0, new1), (first, second)))
        return steps

    def _each_for_itself(self, start: Stances, cells: list[int]) -> tuple[int, int]:
        moves = []
        for seat in (0, 1):
            step = None
            if cells[seat] >= 0:
                step = self._walks.step_towards(start[seat], cells[seat], start[1 - seat] >> 2)
            moves.append(STAY if step is None else step)
        return moves[0], moves[1]
