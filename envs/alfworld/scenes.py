"""The scenes that generated games take place in, and where things tend to lie in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, Final, Literal

from anchorgym import assets
from anchorgym.envs.alfworld.game import APPLIANCES, Fact, GoalKind

Placement = Literal["statistics", "uniform"]
"""Where things lie: where they tend to lie in official games, or anywhere they fit."""

UNSEEN_SCENES: Final = frozenset({9, 10, 29, 215, 219, 226, 308, 315, 325, 404, 424, 425})
"""Three scenes of each room type that no training game takes place in, as in ALFRED."""
DEFAULT_COUNTS: Final = (1, 1, 1)
"""Odds of 1, 2, 3 objects of a type of which no statistics are known."""
_MANGLED: Final = {"|": "_bar_", "-": "_minus_", "+": "_plus_", ".": "_dot_"}


@dataclass(frozen=True)
class Kinds:
    """What kinds of things there are and what can be done with them. Types are lower-cased."""

    spelling: Mapping[str, str]
    """How AI2-THOR spells each type: `cd` is `CD`."""

    fits: Mapping[str, frozenset[str]]
    """The object types that may be put into each receptacle type."""
    objects: frozenset[str]
    """Every type of object that games know."""
    openable: frozenset[str]
    carriers: frozenset[str]
    """Object types that can hold others."""
    cleanable: frozenset[str]
    heatable: frozenset[str]
    coolable: frozenset[str]
    sliceable: frozenset[str]
    toggleable: frozenset[str]


@dataclass(frozen=True)
class Receptacle:
    """A piece of furniture. Its name and its location are spelt as in PDDL."""

    name: str
    type: str
    location: str
    openable: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """A room of AI2-THOR with what is fixed in it."""

    number: int
    room: str
    receptacles: tuple[Receptacle, ...]
    by_type: Mapping[str, tuple[int, ...]]
    """The numbers of the scene's receptacles, by receptacle type."""
    objects: tuple[str, ...]
    """The object types that lie about in it."""
    facts: tuple[Fact, ...]
    """What holds in every game of this scene."""

    def homes(self, object_type: str) -> list[str]:
        """Return the receptacle types of this scene into which such an object may be put."""
        return [kind for kind in self.by_type if object_type in kinds().fits[kind]]


@dataclass(frozen=True)
class Figures:
    """What is known of an object type in a type of room."""

    counts: Mapping[int, int]
    """In how many games there were 1, 2, … of them."""
    places: Mapping[str, int]
    """How many lay in each type of receptacle; some lie in none."""

    @property
    def total(self) -> int:
        """How many there were in all games together."""
        return sum(count * games for count, games in self.counts.items())


@dataclass(frozen=True)
class Spread:
    """How many objects of a type a game of a scene has, and where. Odds are running totals."""

    count_odds: tuple[float, ...]
    """Odds of 1, 2, … objects."""
    visible: float
    """Share of the objects that lie in a receptacle; the others never show."""
    places: tuple[int, ...]
    """Numbers of the receptacles that the object may lie in."""
    place_odds: tuple[float, ...]
    """Odds of each of `places`."""

    def outside(self, scene: Scene, kind: str) -> Spread:
        """Return the spread over the receptacles that are not of a type."""
        odds = (b - a for a, b in zip((0.0, *self.place_odds), self.place_odds, strict=False))
        kept = {
            place: weight
            for place, weight in zip(self.places, odds, strict=True)
            if scene.receptacles[place].type != kind
        }
        return Spread(self.count_odds, self.visible, tuple(kept), tuple(accumulate(kept.values())))


def mangle(name: str) -> str:
    """Return a name as PDDL spells it: `Mug|+00.50` becomes `mug_bar__plus_00_dot_50`."""
    return re.sub(r"[|+.-]", lambda sign: _MANGLED[sign.group()], name).lower()


def type_without_targets(kind: GoalKind, parent: str) -> str:
    """Return the type of receptacle in which no wanted object lies at the start of a game."""
    return APPLIANCES.get(kind, parent)


@cache
def kinds() -> Kinds:
    """Return what kinds of things there are."""
    data = dict(_asset()["kinds"])
    fits = data.pop("fits")
    return Kinds(
        spelling={kind.lower(): kind for kind in (*fits, *data["objects"])},
        fits={kind.lower(): _lower(objects) for kind, objects in fits.items()},
        **{name: _lower(types) for name, types in data.items()},
    )


@cache
def scenes(*, unseen: bool) -> tuple[Scene, ...]:
    """Return the scenes that are held out of training, or all the others."""
    return tuple(
        _scene(int(number), data)
        for number, data in _asset()["scenes"].items()
        if (int(number) in UNSEEN_SCENES) == unseen
    )


@cache
def spreads(scene: Scene, placement: Placement) -> Mapping[str, Spread]:
    """Return how each object type spreads over a scene; types that find no place are left out."""
    found = {kind: _spread(scene, kind, placement) for kind in scene.objects}
    return {kind: spread for kind, spread in found.items() if spread.places}


@cache
def statistics() -> dict[str, dict[str, Figures]]:
    """Return the placement statistics of the official training games, by room and object type."""
    return {
        room: {
            kind.lower(): Figures(
                counts={int(count): games for count, games in known["count"].items()},
                places={place.lower(): n for place, n in known["in"].items()},
            )
            for kind, known in figures.items()
        }
        for room, figures in assets.read_json("alfworld_placement.json").items()
    }


@cache
def _asset() -> dict[str, Any]:
    data: dict[str, Any] = assets.read_json("alfworld_scenes.json")
    return data


def _lower(types: Iterable[str]) -> frozenset[str]:
    return frozenset(kind.lower() for kind in types)


def _scene(number: int, data: Mapping[str, Any]) -> Scene:
    receptacles = []
    for name, location in {**data["receptacles"], **data["fixtures"]}.items():
        kind = name.split("|")[-1 if name.endswith("Basin") else 0].lower()
        openable = kind in kinds().openable and name in data["receptacles"]
        receptacles.append(Receptacle(mangle(name), kind, mangle(location), openable))
    by_type: dict[str, tuple[int, ...]] = {}
    for place, receptacle in enumerate(receptacles):
        by_type[receptacle.type] = (*by_type.get(receptacle.type, ()), place)
    objects = tuple(kind.lower() for kind in data["objects"])
    facts = tuple(_facts(receptacles, objects))
    return Scene(number, data["room"], tuple(receptacles), by_type, objects, facts)


def _facts(receptacles: Iterable[Receptacle], objects: Collection[str]) -> Iterator[Fact]:
    for receptacle in receptacles:
        yield "receptacletype", receptacle.name, f"{receptacle.type}type"
        yield "receptacleatlocation", receptacle.name, receptacle.location
        if receptacle.openable:
            yield "openable", receptacle.name
    for kind in sorted({receptacle.type for receptacle in receptacles}):
        for fitting in sorted(kinds().fits[kind].intersection(objects)):
            yield "cancontain", f"{kind}type", f"{fitting}type"


def _spread(scene: Scene, kind: str, placement: Placement) -> Spread:
    count_odds: Iterable[float] = DEFAULT_COUNTS
    visible = 1.0
    odds: Mapping[str, int] = {home: len(scene.by_type[home]) for home in scene.homes(kind)}
    figures = statistics()[scene.room].get(kind)
    if figures is not None and (placement == "statistics" or not odds):
        count_odds = [figures.counts.get(n, 0) for n in range(1, max(figures.counts) + 1)]
        visible = min(1.0, sum(figures.places.values()) / figures.total)
        odds = {home: n for home, n in figures.places.items() if home in scene.by_type} or odds
    each = {
        place: n / len(scene.by_type[home])
        for home, n in odds.items()
        for place in scene.by_type[home]
    }
    place_odds = tuple(accumulate(each.values()))
    return Spread(tuple(accumulate(count_odds)), visible, tuple(each), place_odds)
