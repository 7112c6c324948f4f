"""A player that works out what each joint choice may do this turn and takes the best.

A choice is worth the damage and the knock-outs it may be expected to bring, less what the foes
that still stand may do in turn. Damage beyond a foe's health is worth nothing, so its two Pokémon
share out their targets or join on one, as the numbers have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from anchorgym.envs.vgc.actions import Pair, legal_pairs, plans
from anchorgym.envs.vgc.knowledge import Knowledge
from anchorgym.envs.vgc.players.damage import Attack, attack_of, damage, speed, stat
from anchorgym.envs.vgc.situation import Pokemon, Situation

_KNOCK_OUT: Final = 0.6
"""What a fainted Pokémon is worth beside the health it had."""
_PARTNER: Final = 1.2
"""How much dearer own health is than a foe's, where an own move hits the partner."""
_TERA_COST: Final = 0.12
"""What terastallizing, which can be done once, has to bring."""
_SWITCH_COST: Final = 0.25
"""What a turn without a move costs beyond the move."""
_FLINCH: Final = 0.35
"""What keeping a foe from moving for a turn is worth."""
_STATUS_WORTH: Final = {"brn": 0.25, "par": 0.22, "slp": 0.5, "psn": 0.1, "tox": 0.2, "frz": 0.5}
_BOOST_WORTH: Final = 0.12
_SIDE_WORTH: Final = {"tailwind": 0.45, "reflect": 0.25, "lightscreen": 0.25, "auroraveil": 0.35}


@dataclass(frozen=True, slots=True)
class _Deed:
    """What one Pokémon's choice may be expected to do."""

    damages: tuple[float, float]
    """Share of each foe's full health."""
    worth: float = 0.0
    """Anything else."""
    first: tuple[bool, bool] = (False, False)
    """Whether it comes before each foe's move."""
    safe: bool = False
    """Whether its user cannot be hit this turn."""
    hurts_partner: float = 0.0


@dataclass(frozen=True, slots=True)
class _Turn:
    """What all choices of a turn have in common."""

    now: Situation
    own: tuple[Pokemon | None, Pokemon | None]
    foes: tuple[Pokemon | None, Pokemon | None]
    threats: list[list[float]]
    """What each foe may do to each own Pokémon on the field: [foe][own place]."""
    on_arrival: dict[int, list[float]]
    """The same for who comes in, by the choice that brings it in: [foe]."""


class Heuristic:
    """Plays by estimated damage, one turn ahead, without chance and without memory.

    Args:
        knowledge: of the format.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def choose(self, now: Situation) -> Pair:
        """Return the joint choice of the greatest estimated worth."""
        if now.preview:
            return self._lead(now)
        if now.forced:
            return max(legal_pairs(now.legal), key=lambda pair: self._arrivals(now, pair))
        return self.ranked(now)[0]

    def ranked(self, now: Situation) -> list[Pair]:
        """Return the joint choices of a turn, the one of the greatest estimated worth first."""
        turn = self._turn(now)
        deeds = [
            {choice: self._deed(now, slot, choice) for choice in now.legal[slot]} for slot in (0, 1)
        ]
        return sorted(
            legal_pairs(now.legal),
            key=lambda pair: -self._worth(turn, pair, (deeds[0][pair[0]], deeds[1][pair[1]])),
        )

    # The team preview and replacements ------------------------------------------------------

    def _lead(self, now: Situation) -> Pair:
        """Bring the four that do best against the foe's team, the best two of them first."""
        worths = [self._matchup(now, own, now.foes) for own in now.own]
        order = sorted(range(len(worths)), key=lambda i: -worths[i])
        leads, backs = sorted(i + 1 for i in order[:2]), sorted(i + 1 for i in order[2:4])
        return plans().index((*leads, *backs)), 0

    def _arrivals(self, now: Situation, pair: Pair) -> float:
        foes = [foe for foe in now.active_foes() if foe]
        return sum(self._matchup(now, now.own[c - 1], foes) for c in pair if 1 <= c <= 6)

    def _matchup(self, now: Situation, own: Pokemon, foes: Sequence[Pokemon]) -> float:
        """Return how much more an own Pokémon does to foes than they do to it, on average."""
        if not foes:
            return own.health
        gives = sum(min(1.0, self._best(now, own, foe)) for foe in foes)
        takes = sum(min(1.0, self._best(now, foe, own)) for foe in foes)
        faster = sum(speed(own, False) > speed(foe, False) for foe in foes)
        return (gives - takes + 0.2 * faster) / len(foes) + 0.3 * own.health

    def _best(self, now: Situation, user: Pokemon, target: Pokemon) -> float:
        attacks = (attack_of(user, name, self.knowledge) for name in self._moves(user))
        hits = (damage(a, user, target, now, self.knowledge) for a in attacks if a)
        return max(hits, default=0.0)

    def _moves(self, user: Pokemon) -> Sequence[str]:
        """Return its moves; where none is known, a plain one of each of its types."""
        return user.moves or [_PLAIN[kind] for kind in user.types if kind in _PLAIN]

    # A turn ---------------------------------------------------------------------------------

    def _turn(self, now: Situation) -> _Turn:
        own, foes = now.active_own(), now.active_foes()
        arrivals = {c for legal in now.legal for c in legal if 1 <= c <= 6}
        threats = [
            [self._best(now, foe, one) if foe and one else 0.0 for one in own] for foe in foes
        ]
        on_arrival = {
            choice: [self._best(now, foe, now.own[choice - 1]) if foe else 0.0 for foe in foes]
            for choice in arrivals
        }
        return _Turn(now, own, foes, threats, on_arrival)

    def _worth(self, turn: _Turn, pair: Pair, deeds: tuple[_Deed, _Deed]) -> float:
        worth = sum(deed.worth for deed in deeds)
        standing = [1.0, 1.0]
        for place, foe in enumerate(turn.foes):
            if foe is None:
                continue
            dealt = min(foe.health, sum(deed.damages[place] for deed in deeds))
            worth += dealt
            if dealt >= foe.health:
                worth += _KNOCK_OUT
                early = all(d.first[place] for d in deeds if d.damages[place])
                standing[place] = 0.0 if early else 0.5
        for slot, own in enumerate(turn.own):
            if own is None:
                continue
            if not deeds[slot].safe:
                worth -= _risk(turn, slot, own, pair[slot], standing)
            hurt = min(own.health, deeds[1 - slot].hurts_partner) if not deeds[slot].safe else 0.0
            worth -= _PARTNER * (hurt + (_KNOCK_OUT if hurt >= own.health else 0.0))
        return worth

    def _deed(self, now: Situation, slot: int, choice: int) -> _Deed:
        own, order = now.active_own()[slot], now.orders[slot]
        if choice == 0 or own is None or order is None:
            return _Deed((0.0, 0.0))
        if choice <= 6:
            return _Deed((0.0, 0.0), worth=-_SWITCH_COST + _fresh(own))
        gimmick, rest = divmod(choice - 7, 20)
        number, target = divmod(rest, 5)
        tera = gimmick == 4
        name = order["moves"][number]["id"]
        worth = -_TERA_COST if gimmick == 4 else 0.1 if gimmick == 1 else 0.0
        attack = attack_of(own, name, self.knowledge, tera=tera)
        if attack is None:
            return self._status(now, slot, name, target - 2, worth)
        return self._attack(now, slot, attack, target - 2, tera, worth)

    def _attack(
        self, now: Situation, slot: int, attack: Attack, target: int, tera: bool, worth: float
    ) -> _Deed:
        own, partner = now.active_own()[slot], now.active_own()[1 - slot]
        assert own is not None
        blocked = attack.priority > 0 and "psychicterrain" in now.fields
        damages, first = [0.0, 0.0], [False, False]
        for place, foe in enumerate(now.active_foes()):
            hit = attack.spread or target == place + 1 or target == 0
            if foe is None or not hit or blocked:
                continue
            damages[place] = damage(attack, own, foe, now, self.knowledge, tera=tera)
            first[place] = attack.priority > 0 or self._faster(now, own, foe)
            if attack.name == "fakeout" and damages[place]:
                worth += _FLINCH
        if target == 0 and not attack.spread:  # a foe by chance
            damages = [value / 2 for value in damages]
        hurts = target < 0 or attack.hits_partner
        hurt = (
            damage(attack, own, partner, now, self.knowledge, tera=tera)
            if partner and hurts
            else 0.0
        )
        return _Deed((damages[0], damages[1]), worth, (first[0], first[1]), hurts_partner=hurt)

    def _status(self, now: Situation, slot: int, name: str, target: int, worth: float) -> _Deed:
        move, own = self.knowledge.move(name), now.active_own()[slot]
        assert own is not None
        none = (0.0, 0.0)
        if move.get("protects"):
            chance = 3.0**-own.protects
            return _Deed(none, worth - 0.15 - (1 - chance), safe=chance == 1)
        if target < 0 and name not in ("helpinghand", "coaching"):
            return _Deed(none, worth - (0.5 if move.get("status") else 0.0))
        if move.get("status") and target > 0:
            foe = now.active_foes()[target - 1]
            fits = foe is not None and not foe.status and self._can_have(foe, move["status"])
            return _Deed(
                none, worth + (_STATUS_WORTH[move["status"]] * move["accuracy"] if fits else -0.3)
            )
        if move.get("heals"):
            return _Deed(none, worth + min(0.5, 1 - own.health) * 0.9)
        if move.get("selfBoosts") and move["target"] in ("self", "adjacentAllyOrSelf"):
            gain = sum(b for s, b in move["selfBoosts"].items() if own.boosts.get(s, 0) < 2)
            return _Deed(none, worth + _BOOST_WORTH * gain * own.health)
        if move.get("sideCondition") in _SIDE_WORTH:
            there = move["sideCondition"] in now.conditions[0]
            return _Deed(none, worth + (-0.3 if there else _SIDE_WORTH[move["sideCondition"]]))
        if name in ("followme", "ragepowder"):
            return _Deed(none, worth + 0.1)
        return _Deed(none, worth)

    def _can_have(self, foe: Pokemon, status: str) -> bool:
        immune = {
            "brn": ("Fire",),
            "par": ("Electric",),
            "psn": _POISON_PROOF,
            "tox": _POISON_PROOF,
        }
        return not set(foe.types) & set(immune.get(status, ()))

    def _faster(self, now: Situation, own: Pokemon, foe: Pokemon) -> bool:
        mine = speed(own, "tailwind" in now.conditions[0])
        theirs = speed(foe, "tailwind" in now.conditions[1])
        return mine < theirs if "trickroom" in now.fields else mine > theirs


def _risk(turn: _Turn, slot: int, own: Pokemon, choice: int, standing: Sequence[float]) -> float:
    """Return what an own Pokémon, or who comes in for it, may be expected to lose."""
    switched = 1 <= choice <= 6
    exposed = turn.now.own[choice - 1] if switched else own
    taken = 0.0
    for place, foe in enumerate(turn.foes):
        if foe is None or not standing[place]:
            continue
        hit = turn.on_arrival[choice][place] if switched else turn.threats[place][slot]
        taken += 0.6 * standing[place] * hit  # a foe aims at one of two
    lost = min(exposed.health, taken)
    return lost + (_KNOCK_OUT * 0.7 if lost >= exposed.health else 0.0)


_POISON_PROOF: Final = ("Poison", "Steel")
_PLAIN: Final = {
    "Normal": "bodyslam",
    "Fire": "flamethrower",
    "Water": "surf",
    "Electric": "thunderbolt",
    "Grass": "energyball",
    "Ice": "icebeam",
    "Fighting": "aurasphere",
    "Poison": "sludgebomb",
    "Ground": "earthpower",
    "Flying": "airslash",
    "Psychic": "psychic",
    "Bug": "bugbuzz",
    "Rock": "powergem",
    "Ghost": "shadowball",
    "Dragon": "dragonpulse",
    "Dark": "darkpulse",
    "Steel": "flashcannon",
    "Fairy": "moonblast",
}
"""A move of each type, for foes whose moves are not known."""


def _fresh(own: Pokemon) -> float:
    """Return what leaving the field does away with: lowered stats."""
    lowered = -sum(min(0, own.boosts.get(name, 0)) for name in ("atk", "spa", "def", "spd", "spe"))
    used = "atk" if stat(own, "atk") > stat(own, "spa") else "spa"
    return 0.04 * lowered - 0.06 * own.boosts.get(used, 0)
