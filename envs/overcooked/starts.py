"""Tasks: the kitchen's own start, and starts drawn by a task id."""

from __future__ import annotations

from typing import Final

from anchorgym.envs.draws import Draws
from anchorgym.envs.errors import UnknownTaskError
from anchorgym.envs.overcooked.items import (
    ALL_MIXES,
    CAPACITY,
    DISH,
    NOTHING,
    ONION,
    SOUP,
    TOMATO,
    size,
    started,
)
from anchorgym.envs.overcooked.kitchen import Kitchen
from anchorgym.envs.overcooked.layouts import ONIONS, TOMATOES, Start
from anchorgym.envs.overcooked.walking import Walks

SPLITS: Final = ("standard", "train", "valid", "test")
_SIZES: Final = {"train": 256, "valid": 64, "test": 64}


def task_ids(kitchen: Kitchen, split: str) -> tuple[str, ...]:
    """Return the task ids of a split: one that is the layout's start, or many drawn ones."""
    name = kitchen.layout.name
    if split == "standard":
        return (name,)
    return tuple(f"{name}/{split}/{number}" for number in range(_SIZES[split]))


def start_of(kitchen: Kitchen, task: str) -> Start:
    """Return how a task begins.

    In a drawn start each cook stands anywhere it could have walked to, facing anywhere, and one
    time in three holds something; a pot holds something one time in two. It is the same on every
    machine.

    Raises:
        UnknownTaskError: the kitchen has no such task.
    """
    name, *rest = task.split("/")
    if task == kitchen.layout.name:
        return kitchen.layout.start
    known = len(rest) == 2 and rest[0] in _SIZES and rest[1] in map(str, range(_SIZES[rest[0]]))
    if name != kitchen.layout.name or not known:
        form = f"{kitchen.layout.name}, or {kitchen.layout.name}/train/0 to …/test/63"
        raise UnknownTaskError(task, hint=f"The tasks of this kitchen are {form}.")
    return _drawn(kitchen, Draws(f"overcooked {task}"))


def _drawn(kitchen: Kitchen, draws: Draws) -> Start:
    walks = Walks(kitchen)
    first, second = (sorted(walks.reachable(cell)) for cell in kitchen.layout.start.cells)
    here = draws.choice(first)
    there = draws.choice([cell for cell in second if cell != here])
    raw = [item for kind, item in ((ONIONS, ONION), (TOMATOES, TOMATO)) if kind in kitchen.kinds]
    mixes = [mix for mix in ALL_MIXES if TOMATO in raw or mix <= CAPACITY]
    mixes = [mix for mix in mixes if ONION in raw or mix & 3 == 0]
    return Start(
        cells=(here, there),
        facings=(draws.below(4), draws.below(4)),
        held=(_held(draws, raw, mixes), _held(draws, raw, mixes)),
        pots=tuple(
            (cell, _pot(kitchen, draws, mixes)) for cell in kitchen.pots if draws.chance(0.5)
        ),
    )


def _held(draws: Draws, raw: list[int], mixes: list[int]) -> int:
    if not draws.chance(1 / 3):
        return NOTHING
    kind = draws.below(3)
    if kind == 0:
        return DISH
    return draws.choice(raw) if kind == 1 else SOUP + draws.choice(mixes)


def _pot(kitchen: Kitchen, draws: Draws, mixes: list[int]) -> int:
    mix = draws.choice(mixes)
    cooks = size(mix) == CAPACITY or kitchen.rules.cooking == "manual"
    if not cooks or draws.chance(0.5):
        return mix
    return started(mix, draws.below(kitchen.rules.cook_time(mix) + 1))
