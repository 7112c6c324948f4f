"""How much a move may be expected to do: the game's damage formula with what a player knows.

Unknown training is taken to be middling, chance to be average, and most abilities and items to do
nothing: an estimate to compare choices by, no calculator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from anchorgym.envs.vgc.knowledge import Knowledge
from anchorgym.envs.vgc.situation import Pokemon, Situation

_LEVEL_FACTOR: Final = 22
"""2 · 50 / 5 + 2: all Pokémon fight at level 50."""
_AVERAGE_ROLL: Final = 0.925
_SPREAD: Final = 0.75
_SPREAD_TARGETS: Final = ("allAdjacent", "allAdjacentFoes")
_UNKNOWN_POWER: Final = 60
"""Power that is assumed where it depends on what is not worked out here, such as weight."""

_IMMUNE: Final = {
    "levitate": "Ground",
    "eartheater": "Ground",
    "flashfire": "Fire",
    "wellbakedbody": "Fire",
    "waterabsorb": "Water",
    "stormdrain": "Water",
    "dryskin": "Water",
    "voltabsorb": "Electric",
    "lightningrod": "Electric",
    "motordrive": "Electric",
    "sapsipper": "Grass",
}
_ATTACK_ABILITIES: Final = {"hugepower": 2.0, "purepower": 2.0, "gorillatactics": 1.5}
_ATTACK_ITEMS: Final = {"lifeorb": 1.3, "expertbelt": 1.05}
_CATEGORY_ITEMS: Final = {"choiceband": "Physical", "choicespecs": "Special"}
_SELDOM: Final = {
    "focuspunch": 0.2,
    "dreameater": 0.0,
    "lastresort": 0.2,
    "steelroller": 0.2,
    "suckerpunch": 0.7,
    "thunderclap": 0.7,
    "solarbeam": 0.5,
    "solarblade": 0.5,
    "meteorbeam": 0.5,
    "skyattack": 0.5,
    "hyperbeam": 0.6,
    "gigaimpact": 0.6,
    "futuresight": 0.4,
    "explosion": 0.4,
    "selfdestruct": 0.3,
    "mistyexplosion": 0.3,
    "finalgambit": 0.3,
}
"""How much of its damage a move that fails, waits or costs its user is worth."""
FIRST_TURN_ONLY: Final = ("fakeout", "firstimpression")
_WEATHER: Final = {
    ("sunnyday", "Fire"): 1.5,
    ("sunnyday", "Water"): 0.5,
    ("desolateland", "Fire"): 1.5,
    ("desolateland", "Water"): 0.0,
    ("raindance", "Water"): 1.5,
    ("raindance", "Fire"): 0.5,
    ("primordialsea", "Water"): 1.5,
    ("primordialsea", "Fire"): 0.0,
}
_TERRAIN: Final = {
    ("electricterrain", "Electric"): 1.3,
    ("grassyterrain", "Grass"): 1.3,
    ("psychicterrain", "Psychic"): 1.3,
}


@dataclass(frozen=True, slots=True)
class Attack:
    """A move with what its user adds to it."""

    name: str
    type: str
    category: str
    power: float
    """All hits together; how often it works is counted in."""
    spread: bool
    hits_partner: bool
    priority: int


def attack_of(
    user: Pokemon, name: str, knowledge: Knowledge, *, tera: bool = False
) -> Attack | None:
    """Return what a Pokémon would hit with; None for a move that does no damage.

    Args:
        user: whose move it is.
        name: the move's id.
        knowledge: of the format.
        tera: whether the user terastallizes first.
    """
    move = knowledge.move(name)
    if not move or move["category"] == "Status":
        return None
    if name in FIRST_TURN_ONLY and user.turns_active:
        return None
    kind, category = move["type"], move["category"]
    if name == "terablast" and (tera or user.terastallized):
        kind = user.tera_type
        category = "Physical" if stat(user, "atk") > stat(user, "spa") else "Special"
    power = (move["basePower"] or _UNKNOWN_POWER) * move["hits"] * move["accuracy"]
    return Attack(
        name=name,
        type=kind,
        category=category,
        power=power * _SELDOM.get(name, 1.0),
        spread=move["target"] in _SPREAD_TARGETS,
        hits_partner=move["target"] == "allAdjacent",
        priority=move["priority"],
    )


def damage(
    attack: Attack,
    user: Pokemon,
    target: Pokemon,
    now: Situation,
    knowledge: Knowledge,
    *,
    tera: bool = False,
) -> float:
    """Return the share of the target's full health that an attack may be expected to take.

    Args:
        attack: see `attack_of`.
        user: who attacks.
        target: who is hit.
        now: for weather, terrain and screens.
        knowledge: of the format.
        tera: whether the user terastallizes first.
    """
    physical = attack.category == "Physical"
    offence = stat(user, "def" if attack.name == "bodypress" else "atk" if physical else "spa")
    defence = stat(target, "def" if physical or attack.name in _HIT_DEFENCE else "spd")
    base = _LEVEL_FACTOR * attack.power * offence / defence / 50 + 2
    factor = _matchup(attack, user, target, knowledge, tera=tera) * _surroundings(attack, user, now)
    factor *= _held(attack, user) * _screens(attack, target, now)
    if target.ability in ("multiscale", "shadowshield") and target.health == 1:
        factor *= 0.5
    if target.item == "assaultvest" and not physical:
        factor /= 1.5
    return base * factor * _AVERAGE_ROLL * (_SPREAD if attack.spread else 1.0) / health(target)


_HIT_DEFENCE: Final = ("psyshock", "psystrike", "secretsword")


def stat(pokemon: Pokemon, name: str) -> float:
    """Return a stat in battle: with its boosts, and estimated from base stats for a foe."""
    value = float(pokemon.stats.get(name, 100))
    if not pokemon.full_health:
        value += 36  # of 20 without training and 52 with all of it
    boost = pokemon.boosts.get(name, 0)
    value *= (2 + max(boost, 0)) / (2 - min(boost, 0))
    if name == "atk" and pokemon.status == "brn":
        value *= 0.5
    return value


def speed(pokemon: Pokemon, tailwind: bool) -> float:
    """Return how fast a Pokémon moves."""
    value = stat(pokemon, "spe") * (2.0 if tailwind else 1.0)
    if pokemon.status == "par":
        value *= 0.5
    return value * (1.5 if pokemon.item == "choicescarf" else 1.0)


def health(pokemon: Pokemon) -> float:
    """Return full health in points: known of an own Pokémon, estimated of a foe."""
    return float(pokemon.full_health or pokemon.stats.get("hp", 80) + 90)


def _matchup(
    attack: Attack, user: Pokemon, target: Pokemon, knowledge: Knowledge, *, tera: bool
) -> float:
    if _IMMUNE.get(target.ability) == attack.type and user.ability not in _IGNORES_ABILITIES:
        return 0.0
    factor = knowledge.effectiveness(attack.type, target.types)
    if target.ability == "wonderguard" and factor <= 1:
        return 0.0
    same = attack.type in user.types
    if tera and attack.type == user.tera_type:
        return factor * (2.0 if same else 1.5)
    return factor * (1.5 if same else 1.0)


_IGNORES_ABILITIES: Final = ("moldbreaker", "teravolt", "turboblaze")


def _surroundings(attack: Attack, user: Pokemon, now: Situation) -> float:
    factor = _WEATHER.get((now.weather, attack.type), 1.0)
    for terrain in now.fields:
        factor *= _TERRAIN.get((terrain, attack.type), 1.0)
    return factor


def _held(attack: Attack, user: Pokemon) -> float:
    factor = _ATTACK_ITEMS.get(user.item or "", 1.0)
    if _CATEGORY_ITEMS.get(user.item or "") == attack.category:
        factor *= 1.5
    if attack.category == "Physical":
        factor *= _ATTACK_ABILITIES.get(user.ability, 1.0)
    return factor


def _screens(attack: Attack, target: Pokemon, now: Situation) -> float:
    side: Mapping[str, Any] = now.conditions[0 if target.full_health else 1]
    screen = "reflect" if attack.category == "Physical" else "lightscreen"
    return 2 / 3 if screen in side or "auroraveil" in side else 1.0
