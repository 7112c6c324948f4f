"""Items of a kitchen, as the small integers that both engines compute with.

A *mix* counts ingredients: onions + 4 * tomatoes. An *item* is what hands and counters hold:
nothing, an onion, a tomato, a dish, or `SOUP` + mix. A *pot* is its mix alone until it is
started; then it is mix + 16 * (ticks cooked + 1).
"""

from __future__ import annotations

from typing import Final

NOTHING: Final = 0
ONION: Final = 1
TOMATO: Final = 2
DISH: Final = 3
SOUP: Final = 16

N_ITEMS: Final = 32
"""Items are below this."""
CAPACITY: Final = 3
"""Ingredients that a pot takes; fixed in the reference, whatever its layouts say."""
STARTED: Final = 16
"""A pot of at least this has been started; one tick of cooking adds as much."""

_NAMES: Final = {NOTHING: "nothing", ONION: "onion", TOMATO: "tomato", DISH: "dish"}
_WEIGHTS: Final = {"o": 1, "t": 4}


def mix_of(recipe: str) -> int:
    """Return the mix of a recipe such as "oot": two onions and a tomato.

    Raises:
        ValueError: it is no recipe: one to three letters, each o or t.
    """
    if not 1 <= len(recipe) <= CAPACITY or set(recipe) - set(_WEIGHTS):
        raise ValueError(
            f"{recipe!r} is no recipe: write one to {CAPACITY} letters, o for an onion and t for "
            "a tomato"
        )
    return sum(_WEIGHTS[letter] for letter in recipe)


def recipe_of(mix: int) -> str:
    """Return a mix as sorted letters; the empty mix as an empty string."""
    return "o" * onions(mix) + "t" * tomatoes(mix)


def onions(mix: int) -> int:
    """Return how many onions are in a mix."""
    return mix & 3


def tomatoes(mix: int) -> int:
    """Return how many tomatoes are in a mix."""
    return mix >> 2 & 3


def size(mix: int) -> int:
    """Return how many ingredients are in a mix."""
    return onions(mix) + tomatoes(mix)


def with_ingredient(mix: int, item: int) -> int:
    """Return a mix with an onion or a tomato more."""
    return mix + (1 if item == ONION else 4)


def pot_mix(pot: int) -> int:
    """Return what is in a pot."""
    return pot & 15


def pot_tick(pot: int) -> int:
    """Return for how many ticks a pot has cooked; -1 if it was not started."""
    return (pot >> 4) - 1


def started(mix: int, tick: int = 0) -> int:
    """Return the pot in which a mix has cooked for `ticks` ticks."""
    return mix + STARTED * (tick + 1)


def is_soup(item: int) -> bool:
    """Whether an item is a plated soup."""
    return item >= SOUP


def item_name(item: int) -> str:
    """Return "nothing", "onion", "tomato", "dish" or "soup"."""
    return "soup" if is_soup(item) else _NAMES[item]


def in_words(mix: int) -> str:
    """Return a mix as "2 onions and 1 tomato"; "nothing" if there is none."""
    counts = ((onions(mix), "onion"), (tomatoes(mix), "tomato"))
    parts = [f"{n} {kind}{'s' if n > 1 else ''}" for n, kind in counts if n]
    plural = "tomatoes" if tomatoes(mix) > 1 else ""
    return " and ".join(parts).replace("tomatos", plural) or "nothing"


ALL_MIXES: Final = tuple(
    onion + 4 * tomato
    for onion in range(CAPACITY + 1)
    for tomato in range(CAPACITY + 1 - onion)
    if onion + tomato
)
"""The nine mixes that a pot can hold."""
