"""Array observations of a cook: the reference's lossless grid, and features in its layout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anchorgym.envs.overcooked.items import (
    ALL_MIXES,
    DISH,
    N_ITEMS,
    NOTHING,
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
from anchorgym.envs.overcooked.layouts import (
    COUNTER,
    DISHES,
    FLOOR,
    ONIONS,
    POT,
    SERVING,
    TOMATOES,
)
from anchorgym.envs.overcooked.walking import FAR, Walks

N_LAYERS: Final = 26
URGENT: Final = 40
"""The last layer is 1 when fewer ticks than this are left."""
N_FEATURES: Final = 96
_FIRST_THING: Final = 16
_KINDS: Final = (POT, COUNTER, ONIONS, TOMATOES, DISHES, SERVING)


class Lossless:
    """The grid encoding of the reference, `lossless_state_encoding`, for any number of games.

    Layers: where the cook itself and the other are (2), how each faces (8), what each place is
    (6), ingredients in pots that were not started (2), ingredients of soups (2), ticks a soup has
    to cook, soups that are done, dishes, onions, tomatoes, urgency.

    Args:
        kitchen: what is seen.
    """

    def __init__(self, kitchen: Kitchen) -> None:
        width, height = kitchen.width, kitchen.height
        self.shape = (width, height, N_LAYERS)
        cells = np.arange(width * height)
        self._place = cells % width * height + cells // width
        self._still = np.zeros((width * height, N_LAYERS), np.int16)
        for layer, kind in enumerate(_KINDS, start=10):
            self._still[self._place[np.array(kitchen.kinds) == kind], layer] = 1
        self._pots = self._place[list(kitchen.pots)]
        self._counters = self._place[list(kitchen.counters)]
        self._pot = np.array([_pot_layers(kitchen, p) for p in range(len(kitchen.cooked))])
        self._item = np.array([_item_layers(item) for item in range(N_ITEMS)])

    def encode(
        self,
        stances: NDArray[np.int_],
        held: NDArray[np.int_],
        counters: NDArray[np.int_],
        pots: NDArray[np.int_],
        left: NDArray[np.int_],
    ) -> NDArray[np.int16]:
        """Return what both cooks see in each game: `(n, 2, width, height, 26)`.

        Args:
            stances, held: `(2, n)`, as in `KitchenBatch`.
            counters, pots: `(n_counters, n)` and `(n_pots, n)`.
            left: ticks that each game still has, `(n,)`.
        """
        games = np.arange(stances.shape[1])
        seen = np.empty((len(games), 2, *self._still.shape), np.int16)
        seen[:] = self._still
        where, facing = self._place[stances >> 2], stances & 3
        things = seen[:, 0, :, _FIRST_THING:-1]
        things[:, self._pots] = self._pot[pots.T]
        things[:, self._counters] = self._item[counters.T]
        for seat in (0, 1):
            things[games, where[seat]] += self._item[held[seat]]
        seen[:, 1, :, _FIRST_THING:-1] = things
        for viewer in (0, 1):
            for order, seat in enumerate((viewer, 1 - viewer)):
                seen[games, viewer, where[seat], order] = 1
                seen[games, viewer, where[seat], 2 + 4 * order + facing[seat]] = 1
        seen[left < URGENT, :, :, -1] = 1
        return seen.reshape(len(games), 2, *self.shape)

    def of_state(self, state: State, left: int) -> NDArray[np.int16]:
        """Return what both cooks see in one game: `(2, width, height, 26)`."""
        stances, held, counters, pots = (np.array(field, np.int_)[:, None] for field in state)
        both: NDArray[np.int16] = self.encode(stances, held, counters, pots, np.array([left]))[0]
        return both


def _pot_layers(kitchen: Kitchen, pot: int) -> NDArray[np.int16]:
    layers = np.zeros(9, np.int16)
    mix = pot_mix(pot)
    if pot < STARTED:
        layers[:2] = onions(mix), tomatoes(mix)
    elif mix in ALL_MIXES:
        done = kitchen.is_ready(pot)
        layers[2:6] = onions(mix), tomatoes(mix), kitchen.remaining(pot), done
    return layers


def _item_layers(item: int) -> NDArray[np.int16]:
    layers = np.zeros(9, np.int16)
    if is_soup(item):
        layers[2:6] = onions(item - SOUP), tomatoes(item - SOUP), 0, 1
    elif item != NOTHING and item <= DISH:
        layers[{DISH: 6, ONION: 7, TOMATO: 8}[item]] = 1
    return layers


class Features:
    """96 numbers a cook, in the layout of the reference's `featurize_state` with two pots.

    First the cook's own 46: facing (4), what it holds (onion, soup, dish, tomato), the way to the
    nearest onion, tomato, dish and soup (x and y each; the soup's onions and tomatoes), to the
    nearest hatch and free counter, two nearest pots (10 each: there, empty, full, cooking, ready,
    onions, tomatoes, ticks to go, x, y), walls (4); then the other's 46, where the other is
    from here, and where the cook is. Near is what is soonest faced; what cannot be reached is at
    (0, 0), and so is what is in the hands.

    Args:
        kitchen: what is seen.
    """

    def __init__(self, kitchen: Kitchen) -> None:
        self._kitchen = kitchen
        self._walks = Walks(kitchen)
        self._cells: dict[int, list[int]] = {kind: [] for kind in (FLOOR, *_KINDS)}
        for cell, kind in enumerate(kitchen.kinds):
            self._cells[kind].append(cell)

    def of_state(self, state: State) -> NDArray[np.float32]:
        """Return the features of both cooks, `(2, 96)`."""
        own = [self._cook(state, seat) for seat in (0, 1)]
        at = [self._kitchen.position(stance >> 2) for stance in state.stances]
        rows = []
        for seat in (0, 1):
            (x, y), (other_x, other_y) = at[seat], at[1 - seat]
            rows.append([*own[seat], *own[1 - seat], other_x - x, other_y - y, x, y])
        return np.array(rows, np.float32)

    def _cook(self, state: State, seat: int) -> list[int]:
        stance, held = state.stances[seat], state.held[seat]
        lying: dict[int, list[int]] = {item: [] for item in range(N_ITEMS)}
        for cell, item in zip(self._kitchen.counters, state.counters, strict=True):
            lying[item].append(cell)
        features = [int(stance & 3 == way) for way in range(4)]
        features += [int(held == ONION), int(is_soup(held)), int(held == DISH), int(held == TOMATO)]
        for item, kind in ((ONION, ONIONS), (TOMATO, TOMATOES), (DISH, DISHES)):
            places = self._cells[kind] + lying[item]
            features += (0, 0) if held == item else self._way(stance, places)
        features += self._soup(state, stance, held)
        features += self._way(stance, self._cells[SERVING])
        features += self._way(stance, lying[NOTHING])
        ways = sorted((self._walks.distance(stance, pot), pot) for pot in self._kitchen.pots)
        near = [pot for distance, pot in ways if distance < FAR][:2]
        for pot in near:
            features += self._pot(state, stance, pot)
        features += [0] * 10 * (2 - len(near))
        walls = [self._kitchen.kinds[(stance >> 2) + o] != FLOOR for o in self._kitchen.offsets]
        return features + [int(wall) for wall in walls]

    def _way(self, stance: int, places: Iterable[int]) -> tuple[int, int]:
        found = self._walks.nearest(stance, places)
        return self._delta(stance, found[1]) if found else (0, 0)

    def _delta(self, stance: int, cell: int) -> tuple[int, int]:
        (x, y), (here_x, here_y) = map(self._kitchen.position, (cell, stance >> 2))
        return x - here_x, y - here_y

    def _soup(self, state: State, stance: int, held: int) -> tuple[int, ...]:
        if is_soup(held):
            return 0, 0, onions(held - SOUP), tomatoes(held - SOUP)
        items = dict(zip(self._kitchen.counters, state.counters, strict=True))
        found = self._walks.nearest(stance, [c for c, item in items.items() if is_soup(item)])
        if not found:
            return 0, 0, 0, 0
        mix = items[found[1]] - SOUP
        return *self._delta(stance, found[1]), onions(mix), tomatoes(mix)

    def _pot(self, state: State, stance: int, cell: int) -> list[int]:
        pot = self._kitchen.content(state, cell)
        mix, on = pot_mix(pot), pot >= STARTED
        ready = self._kitchen.is_ready(pot)
        full = on or size(mix) == 3
        left = self._kitchen.remaining(pot) if on else 0
        known = [1, int(pot == NOTHING), int(full), int(on and not ready), int(ready)]
        return [*known, onions(mix), tomatoes(mix), left, *self._delta(stance, cell)]
