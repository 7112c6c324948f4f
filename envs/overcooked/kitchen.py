"""The engine for one game: a kitchen compiled to tables, and states that are plain tuples.

`Kitchen.step` is a pure function, so a planner can search with it; a kitchen has no state of its
own. The rules are those of the reference, `overcooked` 0.2.1: interactions first, seat 0 before
seat 1, then both cooks move unless they would collide, then what is on the fire cooks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from anchorgym.envs.overcooked.items import (
    ALL_MIXES,
    CAPACITY,
    DISH,
    NOTHING,
    ONION,
    SOUP,
    STARTED,
    TOMATO,
    in_words,
    is_soup,
    item_name,
    pot_mix,
    pot_tick,
    size,
    started,
    with_ingredient,
)
from anchorgym.envs.overcooked.layouts import (
    COUNTER,
    DISHES,
    FLOOR,
    ONIONS,
    POT,
    SERVING,
    TOMATOES,
    Layout,
    Start,
)

ACTIONS: Final = ("north", "south", "east", "west", "stay", "interact")
"""Low-level actions by index, in the reference's order; the first four are also facings."""
STAY: Final = 4
INTERACT: Final = 5

POTTED, PLATED, DISH_TAKEN = 3, 5, 3
"""Shaped rewards: for an ingredient into a pot, a soup onto a dish, and a dish that is needed."""


class Effect(NamedTuple):
    """What an interaction does."""

    held: int
    """Item in the cook's hands afterwards."""
    content: int
    """What is then on the counter or in the pot; 0 for other places."""
    event: str
    """Such as "onion_pickup", "potting_tomato", "soup_delivery"."""
    reward: int = 0
    shaped: int = 0


_tuple: Final = tuple.__new__
NO_EFFECT: Final = Effect(NOTHING, NOTHING, "")


class State(NamedTuple):
    """A game at one moment, without the clock. Equal states have equal futures."""

    stances: tuple[int, int]
    """4 * cell + facing, by seat."""
    held: tuple[int, int]
    """Items, by seat."""
    counters: tuple[int, ...]
    """Item on each counter, in reading order."""
    pots: tuple[int, ...]
    """Each pot, in reading order."""


class Kitchen:
    """A layout with its rules, ready to be played.

    Args:
        layout: see `load_layout`.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.rules = layout.rules
        self.width, self.height = layout.width, layout.height
        self.kinds: tuple[int, ...] = layout.kinds
        self.offsets = (-self.width, self.width, 1, -1)
        self.floor = self._cells_of(FLOOR)
        self.pots = self._cells_of(POT)
        self.counters = self._cells_of(COUNTER)
        self.effects = dict(self._interactions())
        """(kind of place, item held, its content) to effect; nothing happens elsewhere."""
        self.useful_dish = Effect(DISH, NOTHING, "dish_pickup", shaped=DISH_TAKEN)
        self.cooked = self._cooked()
        """Pot to the same pot a tick later."""
        self.moved, self.turned, self.front = self._motion()
        self._slots = {
            cell: slot for cells in (self.pots, self.counters) for slot, cell in enumerate(cells)
        }
        self._faced = tuple(
            (self.kinds[cell], self._slots.get(cell, 0)) if cell >= 0 else (FLOOR, 0)
            for cell in self.front
        )
        self._later = _Later(self.cooked)
        grid = json.dumps([layout.rows, self.rules.data()], sort_keys=True)
        self._hasher = hashlib.blake2b(grid.encode(), digest_size=16)

    # Playing --------------------------------------------------------------------------------

    def start(self, start: Start | None = None) -> State:
        """Return the first state: of the layout's start, or of another.

        Args:
            start: its cells must be floor and its pots pots.
        """
        start = start or self.layout.start
        full = dict(start.pots)
        first, second = (
            4 * cell + facing for cell, facing in zip(start.cells, start.facings, strict=True)
        )
        pots = tuple(self._on_its_own(full.get(cell, NOTHING)) for cell in self.pots)
        return State((first, second), start.held, (NOTHING,) * len(self.counters), pots)

    def step(self, state: State, first: int, second: int) -> tuple[State, Effect, Effect]:
        """Play one tick.

        Args:
            state: where the game is.
            first: action of seat 0, an index into `ACTIONS`.
            second: of seat 1.

        Returns:
            The next state and the effect of each seat's interaction, `NO_EFFECT` if none. The
            reward of the team is the sum of theirs.
        """
        stances, held, counters, pots = state
        effect0 = effect1 = NO_EFFECT
        if first == INTERACT:
            effect0, held, counters, pots = self._interact(0, state, pots)
        if second == INTERACT:
            between = (stances, held, counters, pots)
            effect1, held, counters, pots = self._interact(1, between, state[3])
        old0, old1 = stances
        new0, new1 = self.moved[old0][first], self.moved[old1][second]
        cell0, cell1 = new0 >> 2, new1 >> 2
        if cell0 == cell1 or (cell0 == old1 >> 2 and cell1 == old0 >> 2):
            new0, new1 = self.turned[old0][first], self.turned[old1][second]
        # State(...) is a function in Python, which costs as much as all of the motion above.
        next_state = _tuple(State, ((new0, new1), held, counters, self._later[pots]))
        return next_state, effect0, effect1

    def _interact(
        self,
        seat: int,
        state: tuple[tuple[int, int], tuple[int, int], tuple[int, ...], tuple[int, ...]],
        before: tuple[int, ...],
    ) -> tuple[Effect, tuple[int, int], tuple[int, ...], tuple[int, ...]]:
        """Return effect, held, counters and pots.

        Args:
            seat: who interacts.
            state: the fields of a `State`, as they are when it is this seat's turn.
            before: the pots when the tick began.
        """
        stances, held, counters, pots = state
        kind, slot = self._faced[stances[seat]]
        content = pots[slot] if kind == POT else counters[slot] if kind == COUNTER else NOTHING
        effect = self.effects.get((kind, held[seat], content))
        if effect is None:
            return NO_EFFECT, held, counters, pots
        if kind == DISHES and self._dish_is_useful(held, counters, before):
            effect = self.useful_dish
        held = (effect.held, held[1]) if seat == 0 else (held[0], effect.held)
        if kind == POT:
            pots = (*pots[:slot], effect.content, *pots[slot + 1 :])
        elif kind == COUNTER:
            counters = (*counters[:slot], effect.content, *counters[slot + 1 :])
        return effect, held, counters, pots

    def _dish_is_useful(
        self, held: tuple[int, int], counters: tuple[int, ...], before: tuple[int, ...]
    ) -> bool:
        """As the reference shapes it: more pots want a dish than there are dishes about.

        Pots count as they were when the tick began, full ones that wait to be started do not.
        """
        if DISH in counters:
            return False
        waiting = sum(1 for pot in before if pot and (pot >= STARTED or size(pot) < CAPACITY))
        return held.count(DISH) < waiting

    # Looking --------------------------------------------------------------------------------

    def content(self, state: State, cell: int) -> int:
        """Return what is on a counter (an item) or in a pot; 0 for other cells."""
        kind = self.kinds[cell]
        if kind == POT:
            return state.pots[self._slots[cell]]
        return state.counters[self._slots[cell]] if kind == COUNTER else NOTHING

    def faced(self, stance: int) -> int:
        """Return the cell in front of a cook."""
        return self.front[stance]

    def slot(self, cell: int) -> int:
        """Return the place of a pot among the pots, or of a counter among the counters."""
        return self._slots[cell]

    def effect(self, state: State, seat: int) -> Effect:
        """Return what an interaction of this cook would do now, were it alone."""
        stance = state.stances[seat]
        kind, _ = self._faced[stance]
        found = self.effects.get((kind, state.held[seat], self.content(state, self.front[stance])))
        return found or NO_EFFECT

    def is_ready(self, pot: int) -> bool:
        """Whether a pot's soup can be plated."""
        return pot >= STARTED and pot_tick(pot) >= self.rules.cook_time(pot_mix(pot))

    def remaining(self, pot: int) -> int:
        """Return for how many more ticks a started pot cooks; 0 when it is ready."""
        return self.rules.cook_time(pot_mix(pot)) - pot_tick(pot)

    def position(self, cell: int) -> tuple[int, int]:
        """Return (x, y) of a cell, counted from the top left."""
        return cell % self.width, cell // self.width

    def key(self, state: State) -> bytes:
        """Return a 16-byte key of kitchen, rules and state."""
        hasher = self._hasher.copy()
        hasher.update(repr(tuple(state)).encode())
        return hasher.digest()

    def refusal(self, state: State, seat: int) -> str:
        """Say why an interaction of this cook would do nothing; empty if it would."""
        cell = self.front[state.stances[seat]]
        return self.refusal_at(state.held[seat], cell, self.content(state, cell))

    def refusal_at(self, held: int, cell: int, content: int) -> str:
        """Say the same of a cook that holds this and faces a place with that on it."""
        kind = self.kinds[cell]
        if (kind, held, content) in self.effects:
            return ""
        if kind == FLOOR:
            return "there is only floor in front"
        if kind == POT:
            return self._pot_refusal(held, content)
        if kind == COUNTER:
            return "the counter is taken" if held else "there is nothing on the counter"
        if kind == SERVING:
            return "only a plated soup can be delivered"
        return f"the hands are not empty: they hold {_a(held)}"

    def _pot_refusal(self, held: int, pot: int) -> str:
        inside = in_words(pot_mix(pot))
        if held == NOTHING:
            if pot == NOTHING:
                return "the pot is empty"
            if pot >= STARTED:
                return "the soup needs a dish" if self.is_ready(pot) else "the pot cooks already"
            return f"the pot starts by itself once it is full; it holds {inside}"
        if held == DISH:
            if pot >= STARTED:
                return f"the soup is not ready: {self.remaining(pot)} ticks to go"
            return f"no soup cooks in the pot; it holds {inside}"
        if is_soup(held):
            return "a soup does not go back into a pot"
        return "the pot cooks already" if pot >= STARTED else f"the pot is full: {inside}"

    # Compiling ------------------------------------------------------------------------------

    def _cells_of(self, kind: int) -> tuple[int, ...]:
        return tuple(cell for cell, here in enumerate(self.kinds) if here == kind)

    def _interactions(self) -> Iterator[tuple[tuple[int, int, int], Effect]]:
        """All that an interaction can do, as ((kind, item held, content), effect)."""
        for kind, item in ((ONIONS, ONION), (TOMATOES, TOMATO), (DISHES, DISH)):
            yield (kind, NOTHING, NOTHING), Effect(item, NOTHING, f"{item_name(item)}_pickup")
        for item in (ONION, TOMATO, DISH, *(SOUP + mix for mix in ALL_MIXES)):
            name = item_name(item)
            yield (COUNTER, item, NOTHING), Effect(NOTHING, item, f"{name}_drop")
            yield (COUNTER, NOTHING, item), Effect(item, NOTHING, f"{name}_pickup")
        for mix in (NOTHING, *ALL_MIXES):
            for item in (ONION, TOMATO) if size(mix) < CAPACITY else ():
                event = f"potting_{item_name(item)}"
                fuller = self._on_its_own(with_ingredient(mix, item))
                yield (POT, item, mix), Effect(NOTHING, fuller, event, shaped=POTTED)
        for mix in ALL_MIXES:
            if self.rules.cooking == "manual":
                yield (POT, NOTHING, mix), Effect(NOTHING, started(mix), "cooking_start")
            ready = started(mix, self.rules.cook_time(mix))
            yield (POT, DISH, ready), Effect(SOUP + mix, NOTHING, "soup_pickup", shaped=PLATED)
            delivery = Effect(NOTHING, NOTHING, "soup_delivery", reward=self.rules.worth(mix))
            yield (SERVING, SOUP + mix, NOTHING), delivery

    def _on_its_own(self, pot: int) -> int:
        """Return a pot, started if it starts by itself; the reference starts it a moment later."""
        own = self.rules.cooking == "auto" and pot < STARTED and size(pot) == CAPACITY
        return started(pot) if own else pot

    def _cooked(self) -> tuple[int, ...]:
        longest = max(self.rules.cook_time(mix) for mix in ALL_MIXES)
        later = list(range(started(0, longest + 1)))
        for mix in ALL_MIXES:
            time = self.rules.cook_time(mix)
            for tick in range(time):
                later[started(mix, tick)] = started(mix, tick + 1)
        return tuple(later)

    def _motion(
        self,
    ) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...], tuple[int, ...]]:
        """Return stance by (stance, action) on free ground and when blocked; and cell faced."""
        moved, turned, front = [], [], []
        for stance in range(4 * len(self.kinds)):
            cell, facing = divmod(stance, 4)
            walkable = self.kinds[cell] == FLOOR
            ahead = [cell + offset if walkable else -1 for offset in self.offsets]
            still = [4 * cell + way for way in range(4)]
            free = [
                4 * ahead[way] + way if walkable and self.kinds[ahead[way]] == FLOOR else still[way]
                for way in range(4)
            ]
            turned.append((*still, stance, stance))
            moved.append((*free, stance, stance))
            front.append(ahead[facing])
        return tuple(moved), tuple(turned), tuple(front)


class _Later(dict[tuple[int, ...], tuple[int, ...]]):
    """All pots to all pots a tick later, filled as games get to them."""

    def __init__(self, cooked: tuple[int, ...]) -> None:
        super().__init__()
        self._cooked = cooked

    def __missing__(self, pots: tuple[int, ...]) -> tuple[int, ...]:
        later = self[pots] = tuple(self._cooked[pot] for pot in pots)
        return later


def _a(item: int) -> str:
    return f"{'an' if item == ONION else 'a'} {item_name(item)}"
