"""A decision as Python objects, read from the player's request and view alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from anchorgym.envs.vgc.records import Seat

BOOSTS: Final = ("atk", "def", "spa", "spd", "spe", "accuracy", "evasion")


@dataclass(frozen=True, slots=True)
class Pokemon:
    """One Pokémon, as its own player or the other one knows it."""

    species: str
    """The forme it shows; the ids of ability, item and moves are the simulator's."""
    types: tuple[str, ...]
    health: float
    """Share of its full health, in [0, 1]."""
    status: str = ""
    ability: str = ""
    """Empty while unknown, as for item, moves and tera type."""
    item: str | None = None
    """None while unknown, empty for none."""
    moves: tuple[str, ...] = ()
    tera_type: str = ""
    terastallized: bool = False
    boosts: Mapping[str, int] = field(default_factory=dict)
    """By stat, in -6 … 6; none on the bench."""
    volatiles: tuple[str, ...] = ()
    place: int | None = None
    """0 or 1 on the field, None on the bench."""
    stats: Mapping[str, int] = field(default_factory=dict)
    """Trained stats of an own Pokémon; of a foe's, base stats."""
    full_health: int = 0
    """In points, of an own Pokémon; 0 for a foe's."""
    turns_active: int = 0
    protects: int = 0
    """How many turns in a row it has protected itself."""

    @property
    def fainted(self) -> bool:
        """Whether it is out of the battle."""
        return self.health <= 0


@dataclass(frozen=True, slots=True)
class Situation:
    """A decision as a player sees it."""

    seat: int
    turn: int
    preview: bool
    own: tuple[Pokemon, ...]
    """In the order of the request: `switch k` means `own[k - 1]`."""
    foes: tuple[Pokemon, ...]
    """In the order of the team preview."""
    legal: Sequence[Sequence[int]]
    """Ids that each of the two own places may choose."""
    orders: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]
    """What the request says of the moves of each own place."""
    weather: str
    fields: Mapping[str, int]
    """Terrain and rooms, by id: how many turns they have been there."""
    conditions: tuple[Mapping[str, int], Mapping[str, int]]
    """Conditions of the own side and the foe's, by id: layers of hazards, turns of others."""

    def active_foes(self) -> tuple[Pokemon | None, Pokemon | None]:
        """Return the foes that stand in places 1 and 2."""
        places = {foe.place: foe for foe in self.foes if not foe.fainted}
        return places.get(0), places.get(1)

    def active_own(self) -> tuple[Pokemon | None, Pokemon | None]:
        """Return the own Pokémon that stand in places -1 and -2."""
        places = {own.place: own for own in self.own if not own.fainted}
        return places.get(0), places.get(1)

    @property
    def forced(self) -> bool:
        """Whether only replacements are asked for."""
        return not self.preview and self.orders == (None, None)


def situation(seat: Seat, number: int, tables: Mapping[str, Any]) -> Situation:
    """Return what a player who is asked knows.

    Args:
        seat: with its `request` and `view`.
        number: 0 or 1, whose seat it is.
        tables: of the format, see `Bridge.tables`.
    """
    view, request = seat["view"], seat["request"]
    assert request is not None
    mine, theirs = view["sides"][number], view["sides"][1 - number]
    turn = view["turn"]
    orders = request.get("active") or (None, None)
    return Situation(
        seat=number,
        turn=turn,
        preview=bool(request.get("teamPreview")),
        own=tuple(
            _own(known, place, mine, turn, tables)
            for place, known in enumerate(request["side"]["pokemon"])
        ),
        foes=tuple(
            _foe(known, index, theirs, turn, tables) for index, known in enumerate(theirs["team"])
        ),
        legal=seat["legal"] or ([0], [0]),
        orders=(orders[0], orders[1] if len(orders) > 1 else None),
        weather=view["weather"]["id"] if view["weather"] else "",
        fields={name: turn - effect["since"] for name, effect in view["fields"].items()},
        conditions=(_conditions(mine, turn), _conditions(theirs, turn)),
    )


def _own(
    known: Mapping[str, Any],
    place: int,
    side: Mapping[str, Any],
    turn: int,
    tables: Mapping[str, Any],
) -> Pokemon:
    health, _, status = known["condition"].partition(" ")
    left, _, full = health.partition("/")
    species = known["details"].split(", ")[0]
    standing = known["active"] and place < 2 and side["active"][place] >= 0  # no preview
    seen = _member(side, side["active"][place]) if standing else None
    tera = known.get("teraType", "")
    terastallized = bool(known.get("terastallized"))
    changed = seen["types"] if seen else None
    return Pokemon(
        species=species,
        types=_types(species, changed, tera, terastallized, tables),
        health=int(left) / int(full) if full else 0.0,
        status="" if status == "fnt" else status,
        ability=known.get("ability") or known["baseAbility"],
        item=known["item"],
        moves=tuple(known["moves"]),
        tera_type=tera,
        terastallized=terastallized,
        place=place if standing else None,
        stats=known["stats"],
        full_health=int(full) if full else 0,
        **_on_the_field(seen, turn),
    )


def _foe(
    known: Mapping[str, Any],
    index: int,
    side: Mapping[str, Any],
    turn: int,
    tables: Mapping[str, Any],
) -> Pokemon:
    species = known["species"]
    place = side["active"].index(index) if index in side["active"] else None
    return Pokemon(
        species=species,
        types=_types(species, known["types"], known["tera"], known["terastallized"], tables),
        health=known["health"],
        status=known["status"],
        ability=known["ability"],
        item=known["item"] if known["itemKnown"] else None,
        moves=tuple(known["moves"]),
        tera_type=known["tera"],
        terastallized=known["terastallized"],
        place=place,
        stats=_entry(species, tables).get("baseStats", {}),
        **_on_the_field(known if place is not None else None, turn),
    )


def _on_the_field(seen: Mapping[str, Any] | None, turn: int) -> dict[str, Any]:
    if seen is None:
        return {}
    return {
        "boosts": dict(zip(BOOSTS, seen["boosts"], strict=True)),
        "volatiles": tuple(seen["volatiles"]),
        "turns_active": turn - seen["since"],
        "protects": seen["protects"],
    }


def _types(
    species: str,
    changed: Sequence[str] | None,
    tera: str,
    terastallized: bool,
    tables: Mapping[str, Any],
) -> tuple[str, ...]:
    if terastallized and tera != "Stellar":
        return (tera,)
    return tuple(changed or _entry(species, tables).get("types", ()))


def _entry(species: str, tables: Mapping[str, Any]) -> Mapping[str, Any]:
    entry: Mapping[str, Any] = tables["species"].get(to_id(species), {})
    return entry


def to_id(name: str) -> str:
    """Return the simulator's id of a name: its letters and digits in lower case."""
    return "".join(c for c in name.lower() if c.isascii() and c.isalnum())


def _member(side: Mapping[str, Any], index: int) -> Mapping[str, Any] | None:
    return side["team"][index] if index >= 0 else None


def _conditions(side: Mapping[str, Any], turn: int) -> dict[str, int]:
    return {
        name: effect["layers"] if name.endswith("spikes") else turn - effect["since"] + 1
        for name, effect in side["conditions"].items()
    }
