"""Ways through a kitchen: how far a cook has to go to face a place, and by which step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from anchorgym.envs.overcooked.kitchen import Kitchen
from anchorgym.envs.overcooked.layouts import FLOOR

FAR = 10_000
"""Longer than any way: the distance to what cannot be reached."""


class Walks:
    """Shortest ways of one cook in a kitchen, turning included.

    A stance is 4 * cell + facing, as in `State`. Walking a cell takes a tick; so does turning to
    face what one stands beside, unless one arrived by walking towards it.
    """

    def __init__(self, kitchen: Kitchen) -> None:
        self._kitchen = kitchen
        self._fields: dict[tuple[int, int], dict[int, int]] = {}
        self._ways: dict[int, dict[int, int]] = {}

    def distance(self, stance: int, cell: int, blocked: int = -1) -> int:
        """Return how many ticks it takes to face a place; 0 if the cook does, `FAR` if never.

        Args:
            stance: of the cook.
            cell: the place to face: a counter, a pot, a dispenser, a hatch.
            blocked: a floor cell that cannot be entered, such as the partner's.
        """
        return self._field(cell, blocked).get(stance, FAR)

    def step_towards(self, stance: int, cell: int, blocked: int = -1) -> int | None:
        """Return the action that begins a shortest way; None if there is no way to go.

        Args:
            stance: of the cook.
            cell: the place to face.
            blocked: as in `distance`.
        """
        field = self._field(cell, blocked)
        here = field.get(stance, FAR)
        if here in (0, FAR):
            return None
        return next(
            way for way in range(4) if field.get(self._after(stance, way, blocked), FAR) < here
        )

    def nearest(
        self, stance: int, cells: Iterable[int], blocked: int = -1
    ) -> tuple[int, int] | None:
        """Return (distance, cell) of the place that is soonest faced; None if none can be."""
        found = min(((self.distance(stance, c, blocked), c) for c in cells), default=(FAR, -1))
        return found if found[0] < FAR else None

    def between(self, stance: int, goal: int) -> int:
        """Return how many ticks it takes from one stance to another; `FAR` if never."""
        if goal not in self._ways:
            self._ways[goal] = self._spread([goal], blocked=-1)
        return self._ways[goal].get(stance, FAR)

    def facing(self, cell: int) -> list[int]:
        """Return the stances from which a place is faced."""
        sides = [4 * (cell - offset) + way for way, offset in enumerate(self._kitchen.offsets)]
        front = self._kitchen.front
        return [stance for stance in sides if 0 <= stance < len(front) and front[stance] == cell]

    def reachable(self, cell: int) -> frozenset[int]:
        """Return the floor that can be walked to from a floor cell, itself included."""
        seen, queue = {cell}, deque([cell])
        while queue:
            here = queue.popleft()
            for offset in self._kitchen.offsets:
                there = here + offset
                if there not in seen and self._kitchen.kinds[there] == FLOOR:
                    seen.add(there)
                    queue.append(there)
        return frozenset(seen)

    def _after(self, stance: int, way: int, blocked: int) -> int:
        moved = self._kitchen.moved[stance][way]
        return self._kitchen.turned[stance][way] if moved >> 2 == blocked else moved

    def _field(self, cell: int, blocked: int) -> dict[int, int]:
        """Stance to distance, for all stances from which the place can be faced."""
        known = self._fields.get((cell, blocked))
        if known is None:
            known = self._fields[cell, blocked] = self._spread(self.facing(cell), blocked)
        return known

    def _spread(self, goals: Iterable[int], blocked: int) -> dict[int, int]:
        """Go backwards from the goals: stance to distance.

        A step leads to a stance with the step's facing, so the stances before one are in the
        cell behind it, if it was entered, or in its own cell, if the way ahead is closed.
        """
        kitchen = self._kitchen
        field = dict.fromkeys(goals, 0)
        queue = deque(field)
        while queue:
            stance = queue.popleft()
            here, way = divmod(stance, 4)
            for origin in (here, here - kitchen.offsets[way]):
                if not 0 <= origin < len(kitchen.kinds) or kitchen.kinds[origin] != FLOOR:
                    continue
                for facing in range(4):
                    before = 4 * origin + facing
                    if before not in field and self._after(before, way, blocked) == stance:
                        field[before] = field[stance] + 1
                        queue.append(before)
        return field
