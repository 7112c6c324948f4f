"""The choices of a double battle: as numbers, and as the simulator's text.

A joint choice is one id for each of the player's two Pokémon, in the numbering that VGC-Bench and
poke-env use: 0 pass, 1-6 switch, `7 + 20·gimmick + 5·move + (target + 2)` with targets -2 and -1
(own places), 0 (none to choose), 1 and 2 (foes) and gimmicks 0 none, 1 mega evolution, 2 Z-move,
3 dynamax, 4 terastallisation. At the team preview the first id is one of 90 plans (15 pairs of
leads with 6 pairs of backs) and the second is 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

N_CHOICES: Final = 107
"""Ids of one Pokémon's choice."""
N_PLANS: Final = 90
PASS: Final = 0

_GIMMICKS: Final = ("", " mega", " zmove", " dynamax", " terastallize")
_MOVE = re.compile(
    r"move (?P<move>[1-4])(?: (?P<target>[+]?[12]|-[12]))?(?: (?P<gimmick>\w+))?", re.IGNORECASE
)
_SWITCH = re.compile(r"switch (?P<place>[1-6])", re.IGNORECASE)
_TEAM = re.compile(r"team (?P<places>[1-6]{4})", re.IGNORECASE)

Pair = tuple[int, int]
"""A joint choice."""


@lru_cache(maxsize=1)
def plans() -> tuple[tuple[int, int, int, int], ...]:
    """Return the 90 team previews: two leads and two backs, each in ascending order."""
    places = range(1, 7)
    return tuple(
        (*leads, *backs)
        for leads in combinations(places, 2)
        for backs in combinations([place for place in places if place not in leads], 2)
    )


def choice_text(choice: int) -> str:
    """Return one Pokémon's choice as the simulator writes it, such as `move 2 1 terastallize`."""
    if choice == PASS:
        return "pass"
    if choice <= 6:
        return f"switch {choice}"
    gimmick, rest = divmod(choice - 7, 20)
    move, target = divmod(rest, 5)
    aim = f" {target - 2}" if target != 2 else ""
    return f"move {move + 1}{aim}{_GIMMICKS[gimmick]}"


def pair_text(pair: Sequence[int], preview: bool) -> str:
    """Return a joint choice as the simulator writes it."""
    if preview:
        return "team " + "".join(map(str, plans()[pair[0]]))
    return f"{choice_text(pair[0])}, {choice_text(pair[1])}"


def read_choice(text: str) -> int | None:
    """Return the id of one Pokémon's choice; None for what is none."""
    text = " ".join(text.split())
    if text.lower() == "pass":
        return PASS
    if found := _SWITCH.fullmatch(text):
        return int(found["place"])
    if not (found := _MOVE.fullmatch(text)):
        return None
    gimmick = f" {found['gimmick'].lower()}" if found["gimmick"] else ""
    if gimmick not in _GIMMICKS:
        return None
    target = int(found["target"] or 0)
    return 7 + 20 * _GIMMICKS.index(gimmick) + 5 * (int(found["move"]) - 1) + target + 2


def read_pair(text: str) -> Pair | None:
    """Return the ids of a joint choice such as `move 1 2, switch 3`; None for what is none."""
    halves = text.split(",")
    if len(halves) != 2:
        return None
    first, second = read_choice(halves[0]), read_choice(halves[1])
    return None if first is None or second is None else (first, second)


def read_team(text: str, size: int) -> tuple[int, ...] | None:
    """Return the places of a team preview such as `team 3412`; None for what is none.

    Args:
        text: what was written; any order of four different places is a choice.
        size: how many Pokémon the team has.
    """
    found = _TEAM.fullmatch(" ".join(text.split()))
    if not found:
        return None
    places = tuple(int(digit) for digit in found["places"])
    return places if len(set(places)) == 4 and max(places) <= size else None


def choices_after(legal: Sequence[Sequence[int]], first: int) -> list[int]:
    """Return what the second Pokémon may choose once the first has chosen.

    Not both may switch to the same place or use the same gimmick; and where one of two fallen
    Pokémon can be replaced, they do not both pass.

    Args:
        legal: ids that each Pokémon may choose by itself.
        first: one of `legal[0]`.
    """
    gimmick = (first - 7) // 20 if first >= 7 else 0
    if 1 <= first <= 6:
        return [choice for choice in legal[1] if choice != first]
    if gimmick:
        return [c for c in legal[1] if c < 7 or (c - 7) // 20 != gimmick]
    if first == PASS and len(legal[0]) > 1 and len(legal[1]) > 1:
        return [choice for choice in legal[1] if choice != PASS]
    return list(legal[1])


def legal_pairs(legal: Sequence[Sequence[int]]) -> Iterator[Pair]:
    """Yield the joint choices there are, the first Pokémon's in order."""
    for first in legal[0]:
        for second in choices_after(legal, first):
            yield first, second


def mask(legal: Sequence[Sequence[int]] | None) -> NDArray[np.int8]:
    """Return which ids each Pokémon may choose by itself, (2, 107) of 0 and 1.

    A player who is not asked may pass.
    """
    chosen = np.zeros((2, N_CHOICES), np.int8)
    for slot, choices in enumerate(legal or ([PASS], [PASS])):
        chosen[slot, list(choices)] = 1
    return chosen


def second_mask(allowed: NDArray[np.int8], first: int) -> NDArray[np.int8]:
    """Return what the second Pokémon may choose once the first has chosen: (107,).

    Args:
        allowed: (2, 107), as `mask` returns it; at a team preview there is nothing to mask.
        first: the first Pokémon's choice.
    """
    legal = [np.flatnonzero(row).tolist() for row in allowed]
    after = np.zeros(N_CHOICES, np.int8)
    after[choices_after(legal, first)] = 1
    return after
