"""Sweep floor: Bob sweeps cubes of two colours into Alice's dustpan, Alice empties it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Final

from anchorgym.envs.core import JSON
from anchorgym.envs.planning import Plan
from anchorgym.envs.roco.game import WAIT, Game

TABLE, DUSTPAN, BIN = 0, 1, 2
_PLACES: Final = ("on the table", "in the dustpan", "in the trash bin")
_NOWHERE: Final = -1
_OTHERS: Final = ("blue_cube_1", "pink_cube_1", "red_cube_1", "blue_cube_2", "red_cube_2")
_ALICE, _BOB = 0, 1
TRASH_BIN: Final = "MOVE trash_bin"


@dataclass(frozen=True, slots=True)
class SweepState:
    """Where the cubes are, and in front of which cube each robot stands."""

    places: tuple[int, ...]
    """By cube: TABLE, DUSTPAN or BIN."""
    fronts: tuple[int, int] = (_NOWHERE, _NOWHERE)
    """By robot: the index of a cube, or -1."""


class Sweep(Game[SweepState]):
    """Levels `Yn_Gm`: n yellow and m green cubes belong into the bin, the others do not matter."""

    agents: ClassVar = ("Alice", "Bob")
    levels: ClassVar[Mapping[str, tuple[int, int, int]]] = {
        "Y1_G1": (1, 1, 7),
        "Y1_G2": (1, 2, 7),
        "Y2_G2": (2, 2, 7),
        "Y2_G3": (2, 3, 9),
        "Y3_G3": (3, 3, 9),
    }
    """(yellow, green, all) cubes."""

    @cached_property
    def cubes(self) -> tuple[str, ...]:
        """The names of the cubes; the targets come first."""
        yellow, green, count = self.levels[self.level]
        targets = [f"yellow_cube_{i + 1}" for i in range(yellow)]
        targets += [f"green_cube_{i + 1}" for i in range(green)]
        return (*targets, *_OTHERS[: count - len(targets)])

    @cached_property
    def n_targets(self) -> int:
        """How many cubes belong into the bin."""
        yellow, green, _ = self.levels[self.level]
        return yellow + green

    def start(self) -> SweepState:
        """All cubes on the table, the robots apart."""
        return SweepState((TABLE,) * len(self.cubes))

    def state_from_json(self, values: Mapping[str, JSON]) -> SweepState:
        """Read places and fronts."""
        alice, bob = values["fronts"]
        return SweepState(tuple(values["places"]), (alice, bob))

    def goal(self) -> str:
        """Name the cubes that are to be thrown away."""
        return f"Sweep {', '.join(self.cubes[: self.n_targets])} up and dump them into trash_bin."

    def manual(self) -> str:
        """Say how sweeping works."""
        return (
            "Alice holds a dustpan and Bob holds a broom. To get a cube into the dustpan both must "
            "stand in front of it; then Bob SWEEPs while Alice WAITs. What is in the dustpan gets "
            "into trash_bin when Alice DUMPs; she need not move there.\n"
            "[Action Options]\n"
            "1) MOVE <cube>: go in front of a cube that is on the table\n"
            "2) SWEEP <cube>: Bob only\n"
            "3) DUMP: Alice only, with a loaded dustpan\n"
            "4) WAIT"
        )

    def situation(self, state: SweepState, agent: int) -> str:
        """Say where cubes and robots are: both robots see everything."""
        cubes = "\n".join(
            f"{cube} is {_PLACES[place]}."
            for cube, place in zip(self.cubes, state.places, strict=True)
        )
        robots = "\n".join(
            f"{name} is in front of {self.cubes[front]}."
            if front != _NOWHERE
            else f"{name} is not in front of a cube."
            for name, front in zip(self.agents, state.fronts, strict=True)
        )
        return f"{cubes}\n{robots}"

    @cached_property
    def _vocabularies(self) -> tuple[tuple[str, ...], ...]:
        moves = (*(f"MOVE {cube}" for cube in self.cubes), WAIT, TRASH_BIN)
        return ("DUMP", *moves), (*moves, *(f"SWEEP {cube}" for cube in self.cubes))

    def vocabulary(self, agent: int) -> tuple[str, ...]:
        """Both MOVE and WAIT; Alice dumps, Bob sweeps."""
        return self._vocabularies[agent]

    def broken_rule(self, state: SweepState, plan: Plan) -> str:
        """What is moved to or swept lies on the table; sweeping needs Alice to WAIT."""
        for name, action in zip(self.agents, plan, strict=False):
            if action == TRASH_BIN:
                return f"{name} MOVEs to cubes only: DUMP needs no move to trash_bin"
            verb, _, cube = action.partition(" ")
            if cube and state.places[self.cubes.index(cube)] != TABLE:
                return f"{name} cannot {verb} {cube}, it is not on the table"
        if plan[:1] == ("DUMP",) and DUSTPAN not in state.places:
            return "Alice cannot DUMP, the dustpan is empty"
        if plan[_BOB:] and plan[_BOB].startswith("SWEEP") and plan[_ALICE] != WAIT:
            return "Alice must WAIT while Bob SWEEPs"
        return ""

    def out_of_reach(self, state: SweepState, plan: Plan) -> str:
        """Both must stand in front of what is swept."""
        verb, _, cube = plan[_BOB].partition(" ") if plan[_BOB:] else ("", "", "")
        if verb == "SWEEP" and set(state.fronts) != {self.cubes.index(cube)}:
            return f"Alice and Bob must both be in front of {cube} to SWEEP it"
        return ""

    def moved(self, state: SweepState, plan: Plan) -> SweepState:
        """Sweep, then move, then dump: one of these at most concerns the same cube."""
        places, fronts = list(state.places), list(state.fronts)
        if plan[_BOB].startswith("SWEEP"):
            places[fronts[_BOB]] = DUSTPAN
        for i, action in enumerate(plan):
            if action.startswith("MOVE"):
                fronts[i] = self.cubes.index(action.removeprefix("MOVE "))
        if plan[_ALICE] == "DUMP":
            places = [BIN if place == DUSTPAN else place for place in places]
            fronts[_ALICE] = _NOWHERE
        return replace(state, places=tuple(places), fronts=(fronts[_ALICE], fronts[_BOB]))

    def milestones(self, state: SweepState) -> tuple[int, int]:
        """Each target is swept, then dumped."""
        return sum(state.places[: self.n_targets]), 2 * self.n_targets

    def numbers(self, state: SweepState) -> list[float]:
        """Seven flags a cube, and how many targets are still to be swept and dumped."""
        flags: list[float] = []
        for cube, place in enumerate(state.places):
            flags += [float(place == where) for where in (TABLE, DUSTPAN, BIN)]
            flags += [float(cube < self.n_targets), *(float(cube == at) for at in state.fronts)]
            flags += [float(state.fronts == (cube, cube))]
        targets = state.places[: self.n_targets]
        return [*flags, targets.count(TABLE) / 6, targets.count(DUSTPAN) / 6]

    def at_least(self, state: SweepState) -> int:
        """Each target takes a move and a sweep, but for one that both stand at; then a dump."""
        left = state.places[: self.n_targets].count(TABLE)
        ready = any(
            state.fronts == (cube, cube) and state.places[cube] == TABLE
            for cube in range(self.n_targets)
        )
        return 2 * left - ready + (not self.solved(state))

    def useful(self, state: SweepState, agent: int) -> tuple[str, ...]:
        """Leave cubes alone that do not matter."""
        rest = self.cubes[self.n_targets :]
        return tuple(a for a in self.options(state, agent) if not a.endswith(rest))

    def suggest(self, state: SweepState, agent: int, before: Plan) -> str:
        """Go to one target together, sweep it; dump once, when all are swept."""
        left = [cube for cube in range(self.n_targets) if state.places[cube] == TABLE]
        if not left:
            return "DUMP" if agent == _ALICE else WAIT
        ready = next((cube for cube in left if state.fronts == (cube, cube)), None)
        if ready is not None:
            return WAIT if agent == _ALICE else f"SWEEP {self.cubes[ready]}"
        if before and before[_ALICE].startswith("MOVE") and before[_ALICE] != TRASH_BIN:
            return before[_ALICE]
        cube = next((cube for cube in left if cube in state.fronts), left[0])
        return WAIT if state.fronts[agent] == cube else f"MOVE {self.cubes[cube]}"

    def slip(self, state: SweepState, agent: int, rng: random.Random) -> str:
        """Go to any cube, do nothing, dump or sweep too early, go to the bin, or do anything."""
        kind = rng.random()
        if kind < 0.45:
            there = [c for c, at in zip(self.cubes, state.places, strict=True) if at == TABLE]
            return f"MOVE {rng.choice(there or list(self.cubes))}"
        if kind < 0.65:
            return WAIT
        if kind < 0.8:
            return "DUMP" if agent == _ALICE else f"SWEEP {rng.choice(self.cubes)}"
        return TRASH_BIN if kind < 0.9 else rng.choice(self.vocabulary(agent))
