"""Mid-level actions: "put the onion into pot 1", carried out over as many ticks as it takes."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from anchorgym.envs.overcooked.items import DISH, NOTHING, STARTED, is_soup, item_name
from anchorgym.envs.overcooked.kitchen import INTERACT, NO_EFFECT, STAY, Effect, Kitchen, State
from anchorgym.envs.overcooked.layouts import DISHES, FLOOR, ONIONS, SERVING, TOMATOES
from anchorgym.envs.overcooked.walking import Walks
from anchorgym.envs.spaces import folded

PATIENCE: Final = 5
"""Ticks in a row without a move after which a cook gives up."""
LONGEST_WAIT: Final = 20
_WAITS: Final = (1, 2, 4, 8)
"""Waits that are listed; others can be written."""
_PICKS: Final = {"pick_onion": ONIONS, "pick_tomato": TOMATOES, "pick_dish": DISHES}
_FORM: Final = re.compile(r"([a-z_]+)\s*(?:\(\s*(\d{1,3})\s*\))?")


class Macro(NamedTuple):
    """A mid-level action: pick_onion, pick_tomato, pick_dish, pick_counter(c), put_pot(p),
    start(p), plate(p), deliver, drop(c), step_aside, wait(n).
    """

    verb: str
    number: int = -1
    """Number of the counter or pot, in reading order from 0, or the ticks to wait."""

    def __str__(self) -> str:
        return self.verb if self.number < 0 else f"{self.verb}({self.number})"


class Pursuit(NamedTuple):
    """A mid-level action that is being carried out."""

    macro: Macro
    ticks: int = 0
    """How long a wait has lasted; of others, for how long the cook has not got on."""


class Macros:
    """The mid-level actions of a kitchen, and how they are carried out.

    A cook walks the shortest way round its partner, found anew each tick; where the partner
    closes every way it comes as near as it can. `plate` waits beside a pot that still cooks.

    Args:
        kitchen: where.
    """

    def __init__(self, kitchen: Kitchen) -> None:
        self.kitchen = kitchen
        self.walks = Walks(kitchen)
        self._sources = {
            verb: [cell for cell, here in enumerate(kitchen.kinds) if here == kind]
            for verb, kind in {**_PICKS, "deliver": SERVING}.items()
        }
        self.listed: tuple[Macro, ...] = tuple(self._list())
        """Every action with its number, in a fixed order; waits of 1, 2, 4 and 8 ticks."""

    def parse(self, text: str) -> Macro | None:
        """Return what was written, such as "put_pot(0)"; None if it is no mid-level action."""
        found = _FORM.fullmatch(folded(text))
        if not found:
            return None
        macro = Macro(found[1], int(found[2]) if found[2] else -1)
        waits = macro.verb == "wait" and 1 <= macro.number <= LONGEST_WAIT
        return macro if waits or macro in self.listed else None

    def refusal(self, state: State, seat: int, macro: Macro) -> str:
        """Say why a cook cannot do this now; empty when it can."""
        if macro.verb == "wait":
            return ""
        if macro.verb == "step_aside":
            return "" if self._aside(state, seat) != STAY else "there is nowhere to step"
        held = state.held[seat]
        cells = self._cells(macro)
        return (
            self._hands(macro.verb, held)
            or self._place(state, macro, held, cells)
            or self._reach(state, seat, macro, cells)
        )

    def action(self, state: State, seat: int, pursuit: Pursuit) -> int:
        """Return the low-level action by which a cook gets on with it."""
        macro = pursuit.macro
        if macro.verb in ("wait", "step_aside"):
            return STAY if macro.verb == "wait" else self._aside(state, seat)
        stance, partner = state.stances[seat], state.stances[1 - seat] >> 2
        cells = self._cells(macro)
        round_partner = self.walks.nearest(stance, cells, partner)
        if round_partner is None:
            found = self.walks.nearest(stance, cells)
            step = None if found is None else self.walks.step_towards(stance, found[1])
            return STAY if step is None else step
        distance, cell = round_partner
        if distance == 0:
            cooking = macro.verb == "plate" and not self.kitchen.is_ready(
                self.kitchen.content(state, cell)
            )
            return STAY if cooking else INTERACT
        step = self.walks.step_towards(stance, cell, partner)
        return STAY if step is None else step

    def after(
        self, before: State, state: State, seat: int, pursuit: Pursuit, action: int, effect: Effect
    ) -> tuple[Pursuit | None, str]:
        """Return what is left to do after a tick, and why it failed if it did.

        Args:
            before, state: around the tick.
            seat: of the cook.
            pursuit: what it was at.
            action: the low-level action taken.
            effect: of its interaction.
        """
        macro = pursuit.macro
        if macro.verb == "step_aside" or effect is not NO_EFFECT:
            return None, ""
        if macro.verb == "wait":
            waited = pursuit.ticks + 1
            return (None if waited >= macro.number else pursuit._replace(ticks=waited)), ""
        problem = self.refusal(state, seat, macro)
        if problem:
            return None, f"{macro} came to nothing: {problem}"
        moved = state.stances[seat] != before.stances[seat]
        waits_for_soup = action == STAY and macro.verb == "plate" and self._faces(state, seat)
        stuck = 0 if moved or waits_for_soup else pursuit.ticks + 1
        if stuck >= PATIENCE:
            return None, f"{macro} came to nothing: the partner was in the way for {stuck} ticks"
        return pursuit._replace(ticks=stuck), ""

    # Details --------------------------------------------------------------------------------

    def _list(self) -> list[Macro]:
        pots, counters = range(len(self.kitchen.pots)), range(len(self.kitchen.counters))
        listed = [Macro(verb) for verb in _PICKS if self._sources[verb]]
        listed += [Macro("pick_counter", number) for number in counters]
        verbs = ("put_pot", "start", "plate")
        manual = self.kitchen.rules.cooking == "manual"
        listed += [Macro(v, number) for v in verbs for number in pots if manual or v != "start"]
        listed += [Macro("deliver")]
        listed += [Macro("drop", number) for number in counters]
        return [*listed, Macro("step_aside"), *(Macro("wait", ticks) for ticks in _WAITS)]

    def _cells(self, macro: Macro) -> list[int]:
        if macro.verb in self._sources:
            return self._sources[macro.verb]
        if macro.verb in ("drop", "pick_counter"):
            return [self.kitchen.counters[macro.number]]
        return [self.kitchen.pots[macro.number]]

    def _hands(self, verb: str, held: int) -> str:
        """Say what is wrong with what is in the hands."""
        if verb in _PICKS or verb in ("pick_counter", "start"):
            return f"the hands hold: {item_name(held)}" if held else ""
        wanted = {
            "put_pot": (NOTHING < held < DISH, "an ingredient"),
            "plate": (held == DISH, "a dish"),
            "deliver": (is_soup(held), "a soup"),
            "drop": (held != NOTHING, "something"),
        }
        fits, what = wanted[verb]
        return "" if fits else f"{what} must be in the hands; they hold: {item_name(held)}"

    def _place(self, state: State, macro: Macro, held: int, cells: list[int]) -> str:
        content = self.kitchen.content(state, cells[0])
        if macro.verb == "plate" and content >= STARTED:
            return ""  # it is waited for
        return self.kitchen.refusal_at(held, cells[0], content)

    def _reach(self, state: State, seat: int, macro: Macro, cells: list[int]) -> str:
        found = self.walks.nearest(state.stances[seat], cells)
        return "" if found else f"{macro} cannot be reached from here"

    def _faces(self, state: State, seat: int) -> bool:
        return self.kitchen.front[state.stances[seat]] in self.kitchen.pots

    def _aside(self, state: State, seat: int) -> int:
        """Return the step that leads farthest from the partner's reach; `STAY` if none is free."""
        here, partner = state.stances[seat] >> 2, state.stances[1 - seat] >> 2
        x, y = self.kitchen.position(partner)
        best = (-1, STAY)
        for way, offset in enumerate(self.kitchen.offsets):
            there = here + offset
            if self.kitchen.kinds[there] != FLOOR or there == partner:
                continue
            there_x, there_y = self.kitchen.position(there)
            best = max(best, (abs(there_x - x) + abs(there_y - y), way), key=lambda pair: pair[0])
        return best[1]
