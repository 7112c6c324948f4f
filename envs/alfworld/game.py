"""A game: one household, its start and its goal, compiled once and shared by all who play it."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeVar

from anchorgym.envs.alfworld.goal import TASK_TYPES, Goal, GoalKind
from anchorgym.envs.alfworld.pddl import Fact, parse_problem, parse_task, short_type
from anchorgym.envs.errors import CorruptGameError

__all__ = ["APPLIANCES", "KNIVES", "TASK_TYPES", "Fact", "Game", "Goal", "GoalKind"]

KNIVES: Final = frozenset({"butterknife", "knife"})
"""Object types that slice."""
APPLIANCES: Final = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}
"""The receptacle type that gives each treatment."""

MOST_REMEMBERED: Final = 64
"""How many texts of each kind a game remembers before it begins anew."""
K = TypeVar("K")
V = TypeVar("V")

_NEEDS: Final[dict[GoalKind, str]] = {"clean": "cleanable", "heat": "heatable", "cool": "coolable"}
_ACHIEVES: Final[dict[GoalKind, str]] = {"clean": "clean", "heat": "hot", "cool": "cool"}


@dataclass(frozen=True, slots=True, eq=False)
class Game:
    """A compiled game; nothing in it changes while it is played.

    Receptacles, objects and locations are numbered from 0; receptacles and objects in the order
    in which lists name them (by their PDDL ids), so sorted numbers are in display order.
    Properties of objects are frozensets of their numbers.
    """

    name: str
    task: str
    """What follows "Your task is to: ", with its full stop."""
    goal: Goal

    start_location: int
    location_names: tuple[str, ...]
    """Numbered as things are ("loc 24"); only the older dialect shows them."""
    receptacle_names: tuple[str, ...]
    receptacle_types: tuple[str, ...]
    receptacle_locations: tuple[int, ...]
    receptacles_at: tuple[tuple[int, ...], ...]
    """The receptacles at each location; the start usually has none."""
    openable: frozenset[int]
    opened: frozenset[int]
    """Receptacles that are open at the start."""
    can_contain: tuple[frozenset[str], ...]
    """The object types that may be put into each receptacle."""
    can_contain_beside: tuple[frozenset[str], ...]
    """Object types that may be put into another receptacle at the location of each."""

    object_names: tuple[str, ...]
    object_types: tuple[str, ...]
    contents: tuple[tuple[int, ...], ...]
    """The objects in each receptacle at the start. An object may be in two at once."""
    objects_at: frozenset[tuple[int, int]]
    """(object, location) at the start, of the objects in `located`."""
    inner_objects: Mapping[int, tuple[int, ...]]
    """The objects inside each object that can hold others (bowl, pan, box, …)."""
    pickupable: frozenset[int]
    cleanable: frozenset[int]
    heatable: frozenset[int]
    coolable: frozenset[int]
    sliceable: frozenset[int]
    toggleable: frozenset[int]
    clean: frozenset[int]
    hot: frozenset[int]
    cool: frozenset[int]
    sliced: frozenset[int]
    toggled: frozenset[int]

    goal_objects: frozenset[int]
    """Objects that can meet the goal."""
    goal_receptacles: tuple[int, ...]
    """Receptacles of the target type; none for "look"."""
    goal_lamps: frozenset[int]
    """Lamps of the target type; none but for "look"."""
    at_stake: frozenset[int]
    """Objects and lamps that can meet the goal: facts of others do not bear on it."""
    knives: frozenset[int]
    """Objects that slice and can be held."""
    located: frozenset[int]
    """Objects whose location can be noticed wherever they are: a knife here can slice them."""
    observable: Mapping[str, frozenset[int]]
    """Objects on which being clean, hot, cool, sliced or toggled can ever be noticed."""

    receptacle_numbers: Mapping[str, int] = field(repr=False)
    object_numbers: Mapping[str, int] = field(repr=False)
    _fact_keys: dict[tuple[Any, ...], int] = field(default_factory=dict, repr=False)
    go_commands: dict[tuple[object, int], tuple[str, ...]] = field(default_factory=dict, repr=False)
    menus: dict[tuple[object, ...], tuple[str, ...]] = field(default_factory=dict, repr=False)
    """Commands worked out so far; see `commands.py`."""
    views: dict[tuple[object, ...], str] = field(default_factory=dict, repr=False)
    """Descriptions of receptacles worked out so far, by what is in them."""

    @classmethod
    def from_facts(cls, facts: Iterable[Fact], goal: Goal, task: str, name: str) -> Game:
        """Compile the initial facts of a household.

        Args:
            facts: the PDDL problem's initial atoms, lower-cased.
            goal: what wins.
            task: what follows "Your task is to: ", with its full stop.
            name: the task id.

        Raises:
            CorruptGameError: the facts describe no household, or lack what the goal needs.
        """
        try:
            household = _Household(facts)
            parts = {**household.rooms(), **household.objects(), **household.start()}
            game = cls(name=name, task=task, goal=goal, **parts, **household.relevance(goal))
        except (LookupError, ValueError, TypeError) as error:
            raise CorruptGameError(f"{name}: its facts describe no household: {error!r}") from error
        if not game.goal_objects or not (game.goal_receptacles or game.goal_lamps):
            raise CorruptGameError(f"{name}: nothing in it can meet its goal {goal}")
        return game

    @classmethod
    def from_pddl(cls, problem: str, task: str, name: str) -> Game:
        """Compile a PDDL problem; other arguments and errors as in `from_facts`."""
        facts, goal = parse_problem(problem)
        return cls.from_facts(facts, goal, task, name)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], name: str) -> Game:
        """Compile the content of an official `game.tw-pddl` file.

        Raises:
            CorruptGameError: it lacks a part, or a part cannot be read.
        """
        problem, grammar = data.get("pddl_problem"), data.get("grammar")
        if not isinstance(problem, str) or not isinstance(grammar, str):
            raise CorruptGameError(f"{name}: it lacks 'pddl_problem' or 'grammar'")
        return cls.from_pddl(problem, parse_task(grammar), name)

    @property
    def key(self) -> int:
        """The 128-bit key of the game's start."""
        return self.fact_key(("game", self.name))

    def fact_key(self, fact: tuple[Any, ...]) -> int:
        """Return the 128-bit key of a fact of this game, the same in every process."""
        key = self._fact_keys.get(fact)
        if key is None:
            text = " ".join(map(str, fact))
            digest = hashlib.blake2b(text.encode(), digest_size=16, person=b"anchorgym-fact")
            key = self._fact_keys[fact] = int.from_bytes(digest.digest(), "big")
        return key


def display_names(ids: Iterable[str]) -> dict[str, str]:
    """Return the name shown for each PDDL id: its kind and a number, counted down in id order."""
    kinds = {}
    for identifier in sorted(ids):
        kind, separator, _ = identifier.partition("_bar_")
        if separator:
            kinds[identifier] = f"{kind}basin" if "basin" in identifier else kind
    left = Counter(kinds.values())
    names = {}
    for identifier, kind in kinds.items():
        names[identifier] = f"{kind} {left[kind]}"
        left[kind] -= 1
    return names


def remember(memory: dict[K, V], key: K, value: V) -> V:
    """Keep what was worked out, with few others: players come back to places."""
    if len(memory) >= MOST_REMEMBERED:
        memory.clear()
    memory[key] = value
    return value


class _Household:
    """The facts of a household, sorted by predicate and numbered."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.facts: dict[str, list[Fact]] = defaultdict(list)
        ids: set[str] = set()
        for predicate, *arguments in facts:
            self.facts[predicate].append(tuple(arguments))
            ids.update(arguments)
        names = display_names(ids)
        places = dict(sorted(_pairs(self.facts["receptacleatlocation"])))
        self.receptacles = {receptacle: i for i, receptacle in enumerate(places)}
        self.receptacle_names = tuple(names[receptacle] for receptacle in places)
        types = dict(_pairs(self.facts["receptacletype"]))
        self.receptacle_types = tuple(short_type(types[receptacle]) for receptacle in places)
        types = dict(sorted(_pairs(self.facts["objecttype"])))
        self.object_ids = {thing: i for i, thing in enumerate(types)}
        self.object_names = tuple(names[thing] for thing in types)
        self.object_types = tuple(short_type(kind) for kind in types.values())
        located = [*_pairs(self.facts["objectatlocation"]), *_pairs(self.facts["atlocation"])]
        locations = sorted({*places.values(), *(place for _, place in located)})
        self.locations = {location: i for i, location in enumerate(locations)}
        self.location_names = tuple(sys.intern(names.get(place, place)) for place in locations)
        self.places = tuple(self.locations[location] for location in places.values())

    def rooms(self) -> dict[str, Any]:
        """Return the fields of `Game` about receptacles and where they are."""
        fits: dict[str, set[str]] = defaultdict(set)
        for receptacle_type, object_type in _pairs(self.facts["cancontain"]):
            fits[short_type(receptacle_type)].add(short_type(object_type))
        can_contain = tuple(_shared(frozenset(fits[kind])) for kind in self.receptacle_types)
        receptacles_at: list[list[int]] = [[] for _ in self.locations]
        for receptacle, place in enumerate(self.places):
            receptacles_at[place].append(receptacle)
        beside = (
            [can_contain[other] for other in receptacles_at[place] if other != receptacle]
            for receptacle, place in enumerate(self.places)
        )
        return {
            "location_names": self.location_names,
            "receptacle_names": self.receptacle_names,
            "receptacle_types": self.receptacle_types,
            "receptacle_locations": self.places,
            "receptacle_numbers": _numbers(self.receptacle_names),
            "receptacles_at": tuple(map(tuple, receptacles_at)),
            "openable": self._receptacles_that("openable"),
            "can_contain": can_contain,
            "can_contain_beside": tuple(_shared(frozenset().union(*others)) for others in beside),
        }

    def objects(self) -> dict[str, Any]:
        """Return the fields of `Game` about objects and what can be done with them."""
        inner: dict[int, list[int]] = {i: [] for i in self.objects_that("isreceptacleobject")}
        for inside, outside in _pairs(self.facts["inreceptacleobject"]):
            inner[self.object_ids[outside]].append(self.object_ids[inside])
        abilities = ("pickup", "clean", "heat", "cool", "slice", "toggle")
        return {
            "object_names": self.object_names,
            "object_types": self.object_types,
            "object_numbers": _numbers(self.object_names),
            "inner_objects": {outside: tuple(sorted(held)) for outside, held in inner.items()},
            **{f"{ability}able": self.objects_that(f"{ability}able") for ability in abilities},
        }

    def start(self) -> dict[str, Any]:
        """Return the fields of `Game` that say how it starts."""
        contents: list[set[int]] = [set() for _ in self.receptacles]
        for thing, receptacle in _pairs(self.facts["inreceptacle"]):
            contents[self.receptacles[receptacle]].add(self.object_ids[thing])
        ((_, start),) = _pairs(self.facts["atlocation"])
        return {
            "start_location": self.locations[start],
            "contents": tuple(tuple(sorted(held)) for held in contents),
            "opened": self._receptacles_that("opened"),
            "clean": self.objects_that("isclean"),
            "hot": self.objects_that("ishot"),
            "cool": self.objects_that("iscool"),
            "sliced": self.objects_that("issliced"),
            "toggled": self.objects_that("istoggled"),
        }

    def relevance(self, goal: Goal) -> dict[str, Any]:
        """Return the fields of `Game` that say what matters: to the goal, and to what is seen."""
        of_type = frozenset(i for i, t in enumerate(self.object_types) if t == goal.object_type)
        need = _NEEDS.get(goal.kind)
        goal_objects = of_type & self.objects_that(need) if need else of_type
        lamps = receptacles = frozenset[int]()
        if goal.kind == "look":
            targets = (i for i, t in enumerate(self.object_types) if t == goal.target_type)
            lamps = frozenset(targets) & self.objects_that("toggleable")
        else:
            kinds = enumerate(self.receptacle_types)
            receptacles = frozenset(i for i, t in kinds if t == goal.target_type)
        pickupable = self.objects_that("pickupable")
        # Examining tells nothing of an object that can hold others, nor of one not held.
        examined = pickupable - self.objects_that("isreceptacleobject")
        observable = dict.fromkeys(("clean", "hot", "cool", "sliced"), examined)
        if goal.kind in _ACHIEVES:
            observable[_ACHIEVES[goal.kind]] = examined | goal_objects
        observable["toggled"] = (examined & self.objects_that("toggleable")) | lamps
        knives = frozenset(i for i in pickupable if self.object_types[i] in KNIVES)
        located = self.objects_that("sliceable") if knives else frozenset()
        return {
            "goal_objects": goal_objects,
            "goal_receptacles": tuple(sorted(receptacles)),
            "goal_lamps": lamps,
            "at_stake": goal_objects | lamps,
            "observable": observable,
            "knives": knives,
            "located": located,
            "objects_at": frozenset(
                (self.object_ids[thing], self.locations[place])
                for thing, place in _pairs(self.facts["objectatlocation"])
                if self.object_ids.get(thing) in located
            ),
        }

    def objects_that(self, predicate: str) -> frozenset[int]:
        """Return the objects of which a one-place predicate holds."""
        numbers = (self.object_ids.get(fact[0]) for fact in self.facts[predicate])
        return frozenset(number for number in numbers if number is not None)

    def _receptacles_that(self, predicate: str) -> frozenset[int]:
        numbers = (self.receptacles.get(fact[0]) for fact in self.facts[predicate])
        return frozenset(number for number in numbers if number is not None)


@lru_cache(4096)
def _shared(types: frozenset[str]) -> frozenset[str]:
    """Return one set for all that are equal: most games have the same few."""
    return types


def _pairs(facts: Iterable[Fact]) -> list[tuple[str, str]]:
    return [(first, second) for first, second in facts]


def _numbers(names: tuple[str, ...]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}
