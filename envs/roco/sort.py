"""Sort cubes: three robots along a line of seven panels hand cubes on to their targets."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

from anchorgym.envs.core import JSON
from anchorgym.envs.planning import Plan
from anchorgym.envs.roco.game import WAIT, Game

CUBES: Final = ("blue_square", "pink_polygon", "yellow_trapezoid")
TARGETS: Final = (2, 4, 6)
_REACH: Final = ((1, 2, 3), (3, 4, 5), (5, 6, 7))
_PASSING: Final = (3, 5)
_PANELS: Final = range(1, 8)


@dataclass(frozen=True, slots=True)
class SortState:
    """On which panel each cube lies."""

    panels: tuple[int, ...]


class Sort(Game[SortState]):
    """Levels `sort1` to `sort5`, by where the cubes start; `sort5` is the published start."""

    agents: ClassVar = ("Alice", "Bob", "Chad")
    levels: ClassVar[Mapping[str, tuple[int, int, int]]] = {
        "sort1": (3, 5, 7),
        "sort2": (5, 4, 7),
        "sort3": (5, 1, 5),
        "sort4": (7, 4, 3),
        "sort5": (7, 3, 1),
    }

    def start(self) -> SortState:
        """Return the level's panels."""
        return SortState(self.levels[self.level])

    def state_from_json(self, values: Mapping[str, JSON]) -> SortState:
        """Read the panels."""
        return SortState(tuple(values["panels"]))

    def goal(self) -> str:
        """Name the targets."""
        pairs = (f"{cube} on panel{panel}" for cube, panel in zip(CUBES, TARGETS, strict=True))
        return f"Place {', '.join(pairs)}."

    def manual(self) -> str:
        """Say who reaches what."""
        reach = "; ".join(
            f"{name} reaches panels {', '.join(map(str, panels))}"
            for name, panels in zip(self.agents, _REACH, strict=True)
        )
        return (
            f"Seven panels lie in a row, panel1 to panel7. {reach}. A cube may be placed on "
            "its own target, or on panel3 or panel5 to hand it on. Two robots take neither the "
            "same cube nor the same panel in a round, and they cannot all WAIT.\n"
            "[Action Options]\n"
            "1) PICK <cube> PLACE <panel>\n"
            "2) WAIT"
        )

    def situation(self, state: SortState, agent: int) -> str:
        """Say where the cubes are: all robots see everything."""
        return "\n".join(
            f"{cube} is on panel{panel}." for cube, panel in zip(CUBES, state.panels, strict=True)
        )

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return (*(_action(cube, panel) for cube in range(3) for panel in _PANELS), WAIT)

    def vocabulary(self, agent: int) -> tuple[str, ...]:
        """Any cube to any panel."""
        return self._words

    def broken_rule(self, state: SortState, plan: Plan) -> str:
        """Cubes go to their targets or to panels 3 and 5; robots keep apart; somebody acts."""
        if len(plan) == len(self.agents) and set(plan) == {WAIT}:
            return "you can't all WAIT"
        taken = [_parts(action) for action in plan if action != WAIT]
        for name, action in zip(self.agents, plan, strict=False):
            if action == WAIT:
                continue
            cube, panel = _parts(action)
            if panel not in (TARGETS[cube], *_PASSING):
                return (
                    f"{name}'s ACTION is not valid, {CUBES[cube]} can only be placed on "
                    f"panel{TARGETS[cube]}, panel3, panel5, but not on panel{panel}"
                )
        for part, what in enumerate(("PICK the same cube", "PLACE on the same panel")):
            if len({action[part] for action in taken}) < len(taken):
                return f"two robots cannot {what}"
        return ""

    def out_of_reach(self, state: SortState, plan: Plan) -> str:
        """A robot reaches three panels, for taking and placing."""
        for i, action in enumerate(plan):
            if action == WAIT:
                continue
            cube, panel = _parts(action)
            for end in (state.panels[cube], panel):
                if end not in _REACH[i]:
                    return f"panel{end} is out of reach of {self.agents[i]}"
        return ""

    def moved(self, state: SortState, plan: Plan) -> SortState:
        """Put each cube that is taken on its new panel."""
        panels = list(state.panels)
        for cube, panel in (_parts(action) for action in plan if action != WAIT):
            panels[cube] = panel
        return SortState(tuple(panels))

    def milestones(self, state: SortState) -> tuple[int, int]:
        """Each cube lies on its target."""
        return sum(a == b for a, b in zip(state.panels, TARGETS, strict=True)), len(CUBES)

    def numbers(self, state: SortState) -> list[float]:
        """Seven flags a cube."""
        return [float(at == panel) for at in state.panels for panel in _PANELS]

    def at_least(self, state: SortState) -> int:
        """The cube with the most panels to be handed on over decides."""
        return max(map(_hops, state.panels, TARGETS))

    def suggest(self, state: SortState, agent: int, before: Plan) -> str:
        """Place a cube on its target, or hand the farthest one on towards it."""
        others = [_parts(action) for action in before if action != WAIT]
        cubes, panels = {cube for cube, _ in others}, {panel for _, panel in others}
        far = sorted(range(3), key=lambda cube: -abs(state.panels[cube] - TARGETS[cube]))
        for cube in far:
            at, target = state.panels[cube], TARGETS[cube]
            if cube in cubes or at == target or at not in _REACH[agent]:
                continue
            onward = _PASSING if target > at else _PASSING[::-1]
            ahead = [p for p in onward if min(at, target) < p < max(at, target)]
            for panel in [target] if target in _REACH[agent] else ahead:
                if panel in _REACH[agent] and panel not in panels:
                    return _action(cube, panel)
        return WAIT

    def slip(self, state: SortState, agent: int, rng: random.Random) -> str:
        """Do nothing, or take any cube to a panel in reach or to its target."""
        kind = rng.random()
        if kind < 0.35:
            return WAIT
        cube = rng.randrange(len(CUBES))
        return _action(cube, rng.choice(_REACH[agent]) if kind < 0.8 else TARGETS[cube])


def _action(cube: int, panel: int) -> str:
    return f"PICK {CUBES[cube]} PLACE panel{panel}"


def _parts(action: str) -> tuple[int, int]:
    """Return (cube, panel) of an action that is no WAIT."""
    _, cube, _, panel = action.split()
    return CUBES.index(cube), int(panel.removeprefix("panel"))


def _hops(at: int, target: int) -> int:
    """Return how often a cube is moved at least: once, and once for each panel of passing."""
    low, high = min(at, target), max(at, target)
    return (at != target) + sum(low < panel < high for panel in _PASSING)
