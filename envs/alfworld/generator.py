"""Generated games: endless by seed, the same on every machine, solvable by construction.

A task id is `<split>/<task type>/<seed>`, such as `train/pick_heat_then_place_in_recep/123`; any
whole number of up to 100 digits is a seed. Objects lie where they tend to lie in the official
training games, or, when the id ends in `/uniform`, anywhere they fit.

Generated games differ from official ones in what the layouts do not tell: where stove burners
and the like stand is made up, what lies in no receptacle is left out, and what fits into no
receptacle cannot be picked up, so that no state is a dead end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Final, overload

from anchorgym.envs.alfworld.game import APPLIANCES, TASK_TYPES, Fact, Game, Goal, GoalKind
from anchorgym.envs.alfworld.scenes import (
    Placement,
    Scene,
    Spread,
    kinds,
    scenes,
    spreads,
    type_without_targets,
)
from anchorgym.envs.draws import Draws
from anchorgym.envs.errors import UnknownSplitError, UnknownTaskError

PANEL_SIZES: Final = {"train": 60_000, "valid_seen": 600, "valid_unseen": 600}
"""Splits and how many ids their panels hold, an equal share of each task type."""
TASK_FORM: Final = (
    "A generated task is <split>/<task type>/<seed>, such as train/pick_and_place_simple/0."
)
TEMPLATES: Final[dict[GoalKind, tuple[str, str]]] = {
    "place": ("put a {} in {}.", "put some {} on {}."),
    "look": ("look at {} under the {}.", "examine the {} with the {}."),
    "clean": ("put a clean {} in {}.", "clean some {} and put it in {}."),
    "heat": ("put a hot {} in {}.", "heat some {} and put it in {}."),
    "cool": ("put a cool {} in {}.", "cool some {} and put it in {}."),
    "two": ("put two {} in {}.", "find two {} and put them in {}."),
}
"""The two official phrasings of each kind of goal."""
ROOM_ODDS: Final[dict[GoalKind, dict[str, int]]] = {
    "place": {"kitchen": 10, "living": 27, "bedroom": 30, "bathroom": 33},
    "look": {"living": 17, "bedroom": 83},
    "clean": {"kitchen": 77, "bathroom": 23},
    "heat": {"kitchen": 100},
    "cool": {"kitchen": 100},
    "two": {"kitchen": 15, "living": 27, "bedroom": 29, "bathroom": 29},
}
"""In which rooms the official games of each kind take place, in percent."""
LAMP: Final = "desklamp"
NEVER_TARGETS: Final = frozenset(
    {"sinkbasin", "bathtubbasin", "towelholder", "handtowelholder", "laundryhamper", "toaster"}
)
"""Receptacle types that no official game asks to put something in."""
NEVER_TARGETS_OF_TWO: Final = frozenset({"coffeemachine", "stoveburner", "toiletpaperhanger"})
_TARGET_ODDS: Final = ((35.0, 64.0, 85.0, 100.0), (0.0, 44.0, 77.0, 100.0))
"""Odds of 1 to 4 wanted objects in official games, as running totals: where one or two are."""
OVERLAPS: Final = {
    "coffeemachine": (("countertop", 0.84), ("diningtable", 0.12)),
    "stoveburner": (("stoveburner", 0.18), ("countertop", 0.11)),
}
"""Official games have some objects in a second receptacle at once: of which type, how often."""
START: Final = "loc_bar_99_bar_99_bar_0_bar_30"
"""Where the player starts: in the middle of the room, away from every receptacle."""
_SEED: Final = re.compile("0|[1-9][0-9]{0,99}")
_KINDS: Final = {task_type: kind for kind, task_type in TASK_TYPES.items()}
_COORDINATES: Final = tuple(
    f"_bar__{'plus' if n >= 0 else 'minus'}_{abs(n) // 100:02}_dot_{abs(n) % 100:02}"
    for n in range(-400, 400)
)


@dataclass(frozen=True)
class TaskId:
    """The parts of a generated game's task id."""

    split: str
    kind: GoalKind
    seed: int
    placement: Placement = "statistics"

    @classmethod
    def parse(cls, text: str) -> TaskId:
        """Return the parts of an id.

        Raises:
            UnknownTaskError: the text is no id of a generated game.
        """
        match text.split("/"):
            case [split, task_type, seed, *rest] if (
                split in PANEL_SIZES
                and task_type in _KINDS
                and _SEED.fullmatch(seed)
                and rest in ([], ["uniform"])
            ):
                placement: Placement = "uniform" if rest else "statistics"
                return cls(split, _KINDS[task_type], int(seed), placement)
        known = (f"{split}/{task_type}/0" for split in PANEL_SIZES for task_type in _KINDS)
        raise UnknownTaskError(text, known, TASK_FORM)


Host = tuple[Scene, Mapping[str, tuple[str, ...]]]
"""A scene, and what can be wanted in it: of each parent type, the target types."""


class Panel(Sequence[str]):
    """The task ids of a split, made when asked for: seed by seed, all task types in turn."""

    def __init__(self, split: str, numbers: range) -> None:
        self._split = split
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Panel: ...
    def __getitem__(self, index: int | slice) -> str | Panel:
        if isinstance(index, slice):
            return Panel(self._split, self._numbers[index])
        seed, which = divmod(self._numbers[index], len(_KINDS))
        return f"{self._split}/{tuple(_KINDS)[which]}/{seed}"

    def __repr__(self) -> str:
        return f"Panel({self._split!r}, {self._numbers!r})"


@dataclass(frozen=True)
class Household:
    """What a task id stands for, before it is compiled or written down."""

    scene: Scene
    kind: GoalKind
    target: str
    """Type of the object that the task is about."""
    parent: str
    """Type of the receptacle it belongs in, or of the lamp."""
    task: str
    """The goal in words."""
    objects: tuple[str, ...]
    """Names of the objects, spelt as in PDDL."""
    facts: tuple[Fact, ...]

    @property
    def goal(self) -> Goal:
        """What wins."""
        return Goal(self.kind, self.target, self.parent)


def panel(split: str) -> Sequence[str]:
    """Return the task ids of a split.

    Raises:
        UnknownSplitError: there is no such split.
    """
    if split not in PANEL_SIZES:
        raise UnknownSplitError(split, PANEL_SIZES)
    return Panel(split, range(PANEL_SIZES[split]))


def generated_game(task_id: str) -> Game:
    """Return the game that a task id stands for.

    Raises:
        UnknownTaskError: the text is no id of a generated game.
    """
    house = household(task_id)
    return Game.from_facts(house.facts, house.goal, house.task, task_id)


def household(task_id: str) -> Household:
    """Return the household that a task id stands for; errors as in `generated_game`."""
    task = TaskId.parse(task_id)
    draws = Draws(task_id)
    rooms = _hosts(task.split == "valid_unseen", task.kind, task.placement)
    odds = ROOM_ODDS[task.kind]
    room = tuple(rooms)[draws.weighted(tuple(accumulate(odds[room] for room in rooms)))]
    scene, wishes = draws.choice(rooms[room])
    parent = draws.choice(tuple(wishes))
    target = draws.choice(wishes[parent])
    template = draws.choice(TEMPLATES[task.kind])
    objects, facts = _furnish(draws, scene, task, target, parent)
    return Household(
        scene=scene,
        kind=task.kind,
        target=target,
        parent=parent,
        task=template.format(target, parent),
        objects=objects,
        facts=(*scene.facts, *facts, ("atlocation", "agent1", START)),
    )


@cache
def _hosts(unseen: bool, kind: GoalKind, placement: Placement) -> dict[str, tuple[Host, ...]]:
    """Return the scenes that can host a kind of goal, room by room."""
    hosts: dict[str, tuple[Host, ...]] = {}
    for scene in scenes(unseen=unseen):
        if scene.room in ROOM_ODDS[kind] and (wishes := _wishes(scene, kind, placement)):
            hosts[scene.room] = (*hosts.get(scene.room, ()), (scene, wishes))
    return hosts


def _wishes(scene: Scene, kind: GoalKind, placement: Placement) -> dict[str, tuple[str, ...]]:
    """Return what can be wanted in a scene: of each parent type, the target types."""
    known = spreads(scene, placement)
    appliance = APPLIANCES.get(kind)
    if appliance is not None and appliance not in scene.by_type:
        return {}
    if kind == "look":
        parents = [LAMP] if LAMP in known else []
    else:
        never = {appliance, *NEVER_TARGETS, *(NEVER_TARGETS_OF_TWO if kind == "two" else ())}
        parents = [parent for parent in scene.by_type if parent not in never]
    wishes = {}
    for parent in parents:
        barred = type_without_targets(kind, parent)
        targets = tuple(
            target
            for target, spread in known.items()
            if target in _treatable(kind)
            and (parent in scene.homes(target) if kind != "look" else scene.homes(target))
            and spread.outside(scene, barred).places
        )
        if targets:
            wishes[parent] = targets
    return wishes


def _treatable(kind: GoalKind) -> frozenset[str]:
    """Return the object types that a kind of goal can be about."""
    known = kinds()
    able = {"clean": known.cleanable, "heat": known.heatable, "cool": known.coolable}
    return able.get(kind, known.objects)


def _furnish(
    draws: Draws, scene: Scene, task: TaskId, target: str, parent: str
) -> tuple[tuple[str, ...], list[Fact]]:
    """Return the objects of a game and the facts about them."""
    objects: dict[str, None] = {}
    facts: list[Fact] = []
    for kind, spread in spreads(scene, task.placement).items():
        barred = ""
        traits = _traits(kind, portable=bool(scene.homes(kind)))
        if kind == target:
            barred = type_without_targets(task.kind, parent)
            spread = spread.outside(scene, barred)
            count = draws.weighted(_TARGET_ODDS[task.kind == "two"]) + 1
        else:
            count = draws.weighted(spread.count_odds) + 1
            if spread.visible < 1:
                count = sum(draws.chance(spread.visible) for _ in range(count))
            if kind == parent:
                count = max(count, 1)
        for _ in range(count):
            name = _new_name(draws, kind, objects)
            objects[name] = None
            facts += [(trait[0], name, *trait[1:]) for trait in traits]
            places = _places(draws, scene, spread, barred)
            for receptacle in (scene.receptacles[place] for place in places):
                facts.append(("inreceptacle", name, receptacle.name))
                facts.append(("objectatlocation", name, receptacle.location))
                if receptacle.type == "fridge" and kind == target and ("coolable",) in traits:
                    facts.append(("iscool", name))
    return tuple(objects), facts


def _places(draws: Draws, scene: Scene, spread: Spread, barred: str) -> tuple[int, ...]:
    """Return the receptacles that an object lies in: one, seldom two."""
    place = spread.places[draws.weighted(spread.place_odds)]
    for second, odds in OVERLAPS.get(scene.receptacles[place].type, ()):
        others = [other for other in scene.by_type.get(second, ()) if other != place]
        if others and second != barred and draws.chance(odds):
            return place, draws.choice(others)
    return (place,)


@cache
def _traits(kind: str, *, portable: bool) -> tuple[Fact, ...]:
    """Return the facts that hold of every object of a type, without the object."""
    known = kinds()
    traits: list[Fact] = [("objecttype", f"{kind}type")]
    traits += [("pickupable",)] * portable + [("isreceptacleobject",)] * (kind in known.carriers)
    for trait in ("cleanable", "heatable", "coolable", "sliceable", "toggleable"):
        if kind in getattr(known, trait):
            traits.append((trait,))
    return tuple(traits)


def _new_name(draws: Draws, kind: str, taken: Collection[str]) -> str:
    """Return a name that no object has yet: its type and a position, spelt as in PDDL."""
    while True:
        name = kind + "".join(draws.choice(_COORDINATES) for _ in range(3))
        if name not in taken:
            return name
