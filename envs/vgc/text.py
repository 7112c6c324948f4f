"""Battles in words: what a player sees, and what happened since the last choice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from anchorgym.envs.vgc.situation import Pokemon, Situation, to_id

Tables = Mapping[str, Any]

_STATUSES: Final = {
    "brn": "burned",
    "par": "paralysed",
    "slp": "asleep",
    "frz": "frozen",
    "psn": "poisoned",
    "tox": "badly poisoned",
}
_STATS: Final = {
    "atk": "Attack",
    "def": "Defense",
    "spa": "Special Attack",
    "spd": "Special Defense",
    "spe": "Speed",
    "accuracy": "accuracy",
    "evasion": "evasion",
}
_AIMS: Final = {
    "normal": "one Pokémon",
    "any": "one Pokémon",
    "adjacentFoe": "one foe",
    "adjacentAlly": "your partner",
    "adjacentAllyOrSelf": "itself or your partner",
    "allAdjacentFoes": "both foes",
    "allAdjacent": "everyone else",
}
_HOW_TO_CHOOSE: Final = (
    "Write what both do, parted by a comma: `move 2 1` uses the second move on foe 1, `move 1 -2` "
    "the first on your own Pokémon in place 2, `move 3` a move that needs no target, `switch 4` "
    "brings Pokémon 4 in, `pass` does nothing where there is nothing to do. "
    "`terastallize` or `mega` after a move does that first."
)
_HOW_TO_LEAD: Final = (
    "Choose four of your team: `team 3412` leads with Pokémon 3 and 4 and keeps 1 and 2 behind."
)

_EVENTS: Final = {
    "move": "{0} uses {1}.",
    "switch": "{0} comes in.",
    "drag": "{0} is dragged in.",
    "faint": "{0} faints.",
    "cant": "{0} cannot move.",
    "replace": "{0} was in disguise.",
    "detailschange": "{0} becomes {1}.",
    "-formechange": "{0} becomes {1}.",
    "-terastallize": "{0} terastallizes: {1} type.",
    "-mega": "{0} mega evolves with {2}.",
    "-damage": "{0} is at {1}.",
    "-heal": "{0} recovers to {1}.",
    "-sethp": "{0} is now at {1}.",
    "-status": "{0} is {1}.",
    "-curestatus": "{0} is no longer {1}.",
    "-boost": "{0}: {1} +{2}.",
    "-unboost": "{0}: {1} -{2}.",
    "-setboost": "{0}: {1} set to {2}.",
    "-clearboost": "{0}: stat changes gone.",
    "-clearallboost": "All stat changes are gone.",
    "-supereffective": "It is super effective on {0}.",
    "-resisted": "{0} resists it.",
    "-immune": "{0} is immune.",
    "-crit": "A critical hit on {0}.",
    "-miss": "{0} misses.",
    "-fail": "It fails on {0}.",
    "-block": "{0} is protected by {1}.",
    "-activate": "{0}: {1}.",
    "-singleturn": "{0}: {1}.",
    "-start": "{0}: {1} begins.",
    "-end": "{0}: {1} ends.",
    "-item": "{0} has {1}.",
    "-enditem": "{0} loses {1}.",
    "-ability": "{0} has {1}.",
    "-fieldstart": "{0} begins.",
    "-fieldend": "{0} ends.",
    "-weather": "Weather: {0}.",
    "-sidestart": "{0}: {1} begins.",
    "-sideend": "{0}: {1} ends.",
    "win": "The battle is won by {0}.",
    "tie": "The battle is a draw.",
}
_SIDE = re.compile(r"p([12])([ab]?): (.*)")
_EFFECT = re.compile(r"^(move|ability|item): ")


def describe(
    now: Situation, tables: Tables, log: Sequence[str], error: str = "", *, teaches: bool = True
) -> str:
    """Return what a player who is asked sees, and how to answer.

    Args:
        now: what it knows.
        tables: of the format, for the names.
        log: of its channel, since its last choice.
        error: why the simulator did not take that choice.
        teaches: whether to say how choices are written.
    """
    parts = [*([f"{error}. Choose again."] if error else []), happened(log, now.seat)]
    if now.preview:
        parts += ["Your team:", *_team(now.own, tables)]
        parts += ["The foe's team:", *_team(now.foes, tables)]
    else:
        parts += [_field(now), "Your Pokémon:", *_team(now.own, tables, now.orders)]
        parts += ["The foe's Pokémon:", *_team(now.foes, tables)]
    if teaches:
        parts.append(_HOW_TO_LEAD if now.preview else _HOW_TO_CHOOSE)
    return "\n".join(part for part in parts if part)


def happened(log: Sequence[str], seat: int | None) -> str:
    """Return the lines of a channel in words, for the player of a seat; small talk is left out.

    Args:
        log: lines of the channel.
        seat: 0 or 1; None for a spectator.
    """
    return "\n".join(text for line in log if (text := event(line, seat)))


def event(line: str, seat: int | None) -> str:
    """Return one line of a channel in words; nothing for small talk."""
    _, kind, *words = line.split("|")
    if kind == "turn":
        return f"Turn {words[0]}."
    form = _EVENTS.get(kind)
    if form is None or "[silent]" in words or (kind == "-weather" and "[upkeep]" in words):
        return ""
    plain = [_name(word, seat) for word in words if not word.startswith("[")]
    said = form.format(*plain, *[""] * 3)
    said = said[:1].upper() + said[1:]
    cause = next((word[7:] for word in words if word.startswith("[from] ")), "")
    if kind == "move":
        aim = plain[2] if len(plain) > 2 and plain[2] not in ("", plain[0]) else ""
        return f"{said[:-1]} on {aim}." if aim else said
    return f"{said[:-1]} ({_EFFECT.sub('', cause)})." if cause else said


def _name(word: str, seat: int | None) -> str:
    """Return a word of a line as a reader says it: whose Pokémon, which stat, how healthy."""
    if seat is None and (found := _SIDE.fullmatch(word)):
        whose = f"Player {found[1]}'s"
        return f"{whose} side" if found[3].startswith("Player ") else f"{whose} {found[3]}"
    if found := _SIDE.fullmatch(word):
        mine = int(found[1]) - 1 == seat
        if found[3].startswith("Player "):
            return "your side" if mine else "the foe's side"
        return f"your {found[3]}" if mine else f"the foe's {found[3]}"
    if word in ("Player 1", "Player 2"):
        if seat is None:
            return word
        return "you" if int(word[-1]) - 1 == seat else "the foe"
    if found := re.fullmatch(r"(\d+)/(\d+)( \w+)?", word):
        return f"{100 * int(found[1]) / int(found[2]):.0f}%"
    if word == "0 fnt":
        return "0%"
    return _STATS.get(word) or _STATUSES.get(word) or _EFFECT.sub("", word.split(", L")[0])


def _field(now: Situation) -> str:
    parts = [f"It is turn {now.turn}."]
    if now.weather:
        parts.append(f"Weather: {now.weather}.")
    parts += [f"{name} for {turns} turns." for name, turns in sorted(now.fields.items())]
    for whose, conditions in zip(("Your", "The foe's"), now.conditions, strict=True):
        if conditions:
            parts.append(f"{whose} side: {', '.join(sorted(conditions))}.")
    return " ".join(parts)


def _team(
    team: Sequence[Pokemon],
    tables: Tables,
    orders: Sequence[Mapping[str, Any] | None] = (),
) -> list[str]:
    lines = []
    for number, pokemon in enumerate(team, 1):
        lines.append(f"{number}. {_pokemon(pokemon, tables)}")
        order = orders[number - 1] if number <= len(orders) else None
        if order and pokemon.place is not None and not pokemon.fainted:
            lines += [_order(i, move, tables) for i, move in enumerate(order["moves"], 1)]
            if order.get("trapped"):
                lines.append("   It cannot be switched out.")
        elif pokemon.moves and not pokemon.fainted:
            moves = ", ".join(_title("moves", move, tables) for move in pokemon.moves)
            lines.append(f"   moves: {moves}")
    return lines


def _pokemon(pokemon: Pokemon, tables: Tables) -> str:
    parts = [f"{pokemon.species} ({'/'.join(pokemon.types)})"]
    if pokemon.fainted:
        return f"{parts[0]}, fainted"
    if pokemon.place is not None:
        parts.append(f"on the field in place {pokemon.place + 1}")
    parts.append(f"{100 * pokemon.health:.0f}% health")
    if pokemon.status:
        parts.append(_STATUSES.get(pokemon.status, pokemon.status))
    parts += [f"{_STATS[stat]} {boost:+d}" for stat, boost in pokemon.boosts.items() if boost]
    if pokemon.ability:
        parts.append(f"ability {_title('abilities', pokemon.ability, tables)}")
    if pokemon.item:
        parts.append(f"item {_title('items', pokemon.item, tables)}")
    if pokemon.tera_type:
        done = "terastallized" if pokemon.terastallized else "tera type"
        parts.append(f"{done} {pokemon.tera_type}")
    return ", ".join([*parts, *pokemon.volatiles])


def _order(number: int, move: Mapping[str, Any], tables: Tables) -> str:
    entry = tables["moves"].get(move["id"], {})
    power = f", power {entry['basePower']}" if entry.get("basePower") else ""
    kind = f"{entry['type']} {entry['category'].lower()}{power}" if entry else "no choice"
    aim = _AIMS.get(move.get("target", ""), "")
    left = f", {move['pp']} of {move['maxpp']} left" if "pp" in move else ""
    used = ", cannot be used now" if move.get("disabled") else ""
    return f"   move {number}: {move['move']} ({kind}{f', on {aim}' if aim else ''}{left}{used})"


def _title(kind: str, name: str, tables: Tables) -> str:
    return str(tables[kind].get(to_id(name), {}).get("name", name))
