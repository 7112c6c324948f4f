"""The whole state as a short vector of zeros and ones, for networks of one kitchen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anchorgym.envs.overcooked.items import (
    ALL_MIXES,
    CAPACITY,
    DISH,
    N_ITEMS,
    ONION,
    SOUP,
    STARTED,
    TOMATO,
    is_soup,
    onions,
    pot_mix,
    size,
    tomatoes,
)
from anchorgym.envs.overcooked.kitchen import Kitchen, State
from anchorgym.envs.overcooked.layouts import FLOOR

FloatArray = NDArray[np.float32]
_POT_WIDTH: Final = 7
_ITEM_WIDTH: Final = 6


class Codes:
    """The joint state from each cook's own side, as `width` numbers in [0, 1].

    In this order: where the cook is and faces (one of its possible stances), the same of its
    partner, what each holds (onion, tomato, dish, soup, and the soup's onions and tomatoes as
    shares of a pot), every pot (one, two or three ingredients, the share of tomatoes, cooking,
    ready, ticks to go as a share of the time) and what lies on every counter that can be reached.
    Nothing of the state is lost but counters that nobody can reach, and the clock.

    Args:
        kitchen: what is seen; codes of another kitchen mean something else.
    """

    def __init__(self, kitchen: Kitchen) -> None:
        floor = [cell for cell, kind in enumerate(kitchen.kinds) if kind == FLOOR]
        self._stance = np.zeros(4 * len(kitchen.kinds), np.int_)
        for place, cell in enumerate(floor):
            self._stance[4 * cell : 4 * cell + 4] = np.arange(4 * place, 4 * place + 4)
        reached = {kitchen.front[4 * cell + facing] for cell in floor for facing in range(4)}
        self._counters = [n for n, cell in enumerate(kitchen.counters) if cell in reached]
        self._item = np.array([_item(item) for item in range(N_ITEMS)], np.float32)
        pots = range(len(kitchen.cooked))
        self._pot = np.array([_pot(kitchen, pot) for pot in pots], np.float32)
        self._stances = 4 * len(floor)
        n_things = len(self._counters) + 2
        self.width = 2 * self._stances + n_things * _ITEM_WIDTH + len(kitchen.pots) * _POT_WIDTH

    def encode(
        self,
        stances: NDArray[np.int_],
        held: NDArray[np.int_],
        counters: NDArray[np.int_],
        pots: NDArray[np.int_],
    ) -> FloatArray:
        """Return what both cooks of each game see: `(n, 2, width)`.

        Args:
            stances, held: `(2, n)`, as in `KitchenBatch`.
            counters, pots: `(n_counters, n)` and `(n_pots, n)`.
        """
        n = stances.shape[1]
        codes = np.zeros((n, 2, self.width), np.float32)
        games, at = np.arange(n), self._stance[stances]
        hands = self._item[held]
        first = 2 * self._stances
        for seat in (0, 1):
            codes[games, seat, at[seat]] = 1.0
            codes[games, seat, self._stances + at[1 - seat]] = 1.0
            codes[:, seat, first : first + _ITEM_WIDTH] = hands[seat]
            codes[:, seat, first + _ITEM_WIDTH : first + 2 * _ITEM_WIDTH] = hands[1 - seat]
        things = [self._pot[pots.T].reshape(n, -1), self._item[counters[self._counters].T]]
        room = np.concatenate([part.reshape(n, -1) for part in things], axis=1)
        codes[:, :, first + 2 * _ITEM_WIDTH :] = room[:, None]
        return codes

    def of_states(self, states: Sequence[State]) -> FloatArray:
        """Return what both cooks see in each state: `(n_states, 2, width)`."""
        parts = (np.array([state[part] for state in states], np.int_).T for part in range(4))
        stances, held, counters, pots = parts
        return self.encode(stances, held, counters, pots)


def _item(item: int) -> list[float]:
    if is_soup(item) and item - SOUP in ALL_MIXES:
        mix = item - SOUP
        return [0, 0, 0, 1, onions(mix) / CAPACITY, tomatoes(mix) / CAPACITY]
    return [item == ONION, item == TOMATO, item == DISH, 0, 0, 0]


def _pot(kitchen: Kitchen, pot: int) -> list[float]:
    mix = pot_mix(pot)
    if mix not in ALL_MIXES:
        return [0.0] * _POT_WIDTH
    on, ready = pot >= STARTED, kitchen.is_ready(pot)
    left = max(0, kitchen.remaining(pot)) / kitchen.rules.cook_time(mix) if on else 0.0
    sizes = [float(size(mix) == n + 1) for n in range(CAPACITY)]
    return [*sizes, tomatoes(mix) / CAPACITY, on and not ready, ready, left]
