"""The reference engine, and its states in the form of ours."""

from __future__ import annotations

from typing import Any

import pytest

from anchorgym.envs.overcooked.items import SOUP, mix_of, started
from anchorgym.envs.overcooked.kitchen import Kitchen, State

WHY = "the reference engine is not installed: pip install overcooked==0.2.1"
_ITEMS = {"onion": 1, "tomato": 2, "dish": 3}


def reference_world(name: str, **changes: Any) -> Any:
    """A kitchen of the reference; making one changes the recipes of all made before it."""
    mdp = pytest.importorskip("overcooked.mdp", reason=WHY)
    return mdp.OvercookedGridworld.from_layout_name(name, **changes)


def reference_actions() -> list[Any]:
    actions: list[Any] = pytest.importorskip("overcooked.mdp", reason=WHY).Action.ALL_ACTIONS
    return actions


def as_ours(kitchen: Kitchen, theirs: Any) -> State:
    """A state of the reference as one of ours."""
    facings = [(0, -1), (0, 1), (1, 0), (-1, 0)]
    cell = {kitchen.position(c): c for c in range(kitchen.width * kitchen.height)}
    stances = [4 * cell[p.position] + facings.index(p.orientation) for p in theirs.players]
    lying = {cell[where]: thing for where, thing in theirs.objects.items()}
    return State(
        (stances[0], stances[1]),
        (_item(theirs.players[0].held_object), _item(theirs.players[1].held_object)),
        tuple(_item(lying.get(c)) for c in kitchen.counters),
        tuple(_pot(lying.get(c)) for c in kitchen.pots),
    )


def _item(thing: Any) -> int:
    if thing is None:
        return 0
    return SOUP + _mix(thing) if thing.name == "soup" else _ITEMS[thing.name]


def _pot(soup: Any) -> int:
    if soup is None:
        return 0
    return _mix(soup) if soup._cooking_tick < 0 else started(_mix(soup), soup._cooking_tick)


def _mix(soup: Any) -> int:
    return mix_of("".join(sorted(name[0] for name in soup.ingredients)))
