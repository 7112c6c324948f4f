"""Text observations of a cook: itself, its partner, pots, orders, and how far everything is."""

from __future__ import annotations

from collections.abc import Iterator

from anchorgym.envs.overcooked.items import (
    CAPACITY,
    NOTHING,
    SOUP,
    STARTED,
    in_words,
    is_soup,
    item_name,
    pot_mix,
    size,
)
from anchorgym.envs.overcooked.kitchen import Kitchen, State
from anchorgym.envs.overcooked.layouts import (
    COUNTER,
    DISHES,
    FACINGS,
    FLOOR,
    ONIONS,
    POT,
    SERVING,
    TOMATOES,
)
from anchorgym.envs.overcooked.walking import Walks

_PLACES = {
    FLOOR: "floor",
    COUNTER: "counter",
    ONIONS: "the onions",
    TOMATOES: "the tomatoes",
    DISHES: "the dishes",
    SERVING: "the serving hatch",
}
_LEGEND = (
    "1 is you, 2 your partner; O onions, T tomatoes, D dishes, P pot, S serving hatch, X counter; "
    "o, t, d, s lie on a counter."
)


class Reports:
    """The text observations of a kitchen.

    Args:
        kitchen: what is told of. Pots and counters are numbered in reading order from 0, as
            the mid-level actions number them.
    """

    def __init__(self, kitchen: Kitchen) -> None:
        self._kitchen = kitchen
        self._walks = Walks(kitchen)

    def tell(self, state: State, seat: int, *, tick: int, horizon: int, score: int) -> str:
        """Return what a cook reads now.

        Args:
            state: of the game.
            seat: whose report it is.
            tick: ticks played.
            horizon: ticks there are.
            score: points so far.
        """
        lines = [
            f"Tick {tick} of {horizon}. Score: {score}.",
            f"Orders: {'; '.join(self.orders())}.",
            f"You {self._cook(state, seat, 'are', 'hold')}",
            f"Your partner {self._cook(state, 1 - seat, 'is', 'holds')}",
            *self._pots(state),
            *self._counters(state),
            *self._distances(state, seat),
        ]
        return "\n".join(lines)

    def drawing(self, state: State, seat: int) -> str:
        """Return the kitchen as a cook would draw it, with what the letters mean."""
        cells = list("".join(self._kitchen.layout.rows))
        for cell, item in zip(self._kitchen.counters, state.counters, strict=True):
            if item:
                cells[cell] = item_name(item)[0]
        for name, who in (("1", seat), ("2", 1 - seat)):
            cells[state.stances[who] >> 2] = name
        width = self._kitchen.width
        rows = ("".join(cells[at : at + width]) for at in range(0, len(cells), width))
        return "\n".join([*rows, _LEGEND])

    def orders(self) -> list[str]:
        """Return each order with what it is worth and how long it cooks, the best first."""
        rules = self._kitchen.rules
        return [
            f"{in_words(mix)} ({rules.worth(mix)} points, cooks {rules.cook_time(mix)} ticks)"
            for mix in rules.wanted
        ]

    def place(self, cell: int) -> str:
        """Return what a cell is called: "pot 0", "counter 3", "the onions"."""
        kind = self._kitchen.kinds[cell]
        if kind in (POT, COUNTER):
            return f"{'pot' if kind == POT else 'counter'} {self._kitchen.slot(cell)}"
        return _PLACES[kind]

    # Details --------------------------------------------------------------------------------

    def _cook(self, state: State, seat: int, be: str, have: str) -> str:
        stance, held = state.stances[seat], state.held[seat]
        x, y = self._kitchen.position(stance >> 2)
        front = self.place(self._kitchen.front[stance])
        return (
            f"{be} at ({x}, {y}), facing {FACINGS[stance & 3]} to {front}, and {have} "
            f"{_thing(held)}."
        )

    def _pots(self, state: State) -> Iterator[str]:
        for number, pot in enumerate(state.pots):
            yield f"Pot {number} {self._pot(pot)}."

    def _pot(self, pot: int) -> str:
        inside = in_words(pot_mix(pot))
        if pot == NOTHING:
            return "is empty"
        if self._kitchen.is_ready(pot):
            return f"holds a soup of {inside}, ready to be plated"
        if pot >= STARTED:
            left = self._kitchen.remaining(pot)
            return f"cooks {inside}, ready in {left} tick{'s' if left > 1 else ''}"
        room = CAPACITY - size(pot)
        more = f"room for {room} more" if room else "full, waiting to be started"
        return f"holds {inside}, not cooking, {more}"

    def _counters(self, state: State) -> Iterator[str]:
        for number, item in enumerate(state.counters):
            if item:
                yield f"On counter {number} there is {_thing(item)}."

    def _distances(self, state: State, seat: int) -> Iterator[str]:
        """Tell how soon each station is faced, and what is out of reach for now or for ever."""
        stance, partner = state.stances[seat], state.stances[1 - seat] >> 2
        near, barred, never = [], [], []
        for name, cells in self._stations(state):
            found = self._walks.nearest(stance, cells, partner)
            if found:
                near.append(f"{name} {found[0]}")
            elif self._walks.nearest(stance, cells):
                barred.append(name)
            else:
                never.append(name)
        yield f"Ticks to face: {', '.join(near) or 'nothing can be reached'}."
        if barred:
            yield f"Your partner bars the way to: {', '.join(barred)}."
        counters = enumerate(zip(self._kitchen.counters, state.counters, strict=True))
        shared = [str(n) for n, (c, item) in counters if not item and self._both_reach(state, c)]
        yield f"Free counters in reach of both cooks: {', '.join(shared) or 'none'}."
        if never:
            yield f"You cannot reach: {', '.join(never)}."

    def _stations(self, state: State) -> Iterator[tuple[str, list[int]]]:
        kinds = self._kitchen.kinds
        for kind in (ONIONS, TOMATOES, DISHES, SERVING):
            cells = [cell for cell, here in enumerate(kinds) if here == kind]
            if cells:
                yield _PLACES[kind].removeprefix("the "), cells
        for cell in self._kitchen.pots:
            yield self.place(cell), [cell]
        for cell, item in zip(self._kitchen.counters, state.counters, strict=True):
            if item:
                yield f"{item_name(item)} on {self.place(cell)}", [cell]

    def _both_reach(self, state: State, cell: int) -> bool:
        return all(self._walks.nearest(stance, [cell]) for stance in state.stances)


def _thing(item: int) -> str:
    if is_soup(item):
        return f"a soup of {in_words(item - SOUP)}"
    return "nothing" if not item else f"{'an' if item == 1 else 'a'} {item_name(item)}"
