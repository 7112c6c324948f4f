"""Kitchens: the grids that ship with the package, and those that users draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from anchorgym.assets import read_json
from anchorgym.envs.errors import LayoutError, did_you_mean
from anchorgym.envs.overcooked.items import mix_of
from anchorgym.envs.overcooked.rules import Rules

CLASSIC: Final = (
    "cramped_room",
    "asymmetric_advantages",
    "coordination_ring",
    "forced_coordination",
    "counter_circuit",
)
"""The five kitchens of Carroll et al. (2019), which most figures are about."""

ALIASES: Final = {
    "random0": "forced_coordination",
    "random3": "counter_circuit",
    "counter_circuit_o_1order": "counter_circuit",
}
"""Other names that the literature has for some of them."""

FACINGS: Final = ("north", "south", "east", "west")
FLOOR, COUNTER, ONIONS, TOMATOES, DISHES, POT, SERVING = range(7)
_LETTERS: Final = " XOTDPS"


@dataclass(frozen=True)
class Start:
    """How a kitchen is when an episode begins.

    Cells are counted in reading order from 0: `cell = y * width + x`.
    """

    cells: tuple[int, int]
    """Where the cooks stand."""
    facings: tuple[int, int] = (0, 0)
    """Which way they look, as indices into `FACINGS`."""
    held: tuple[int, int] = (0, 0)
    """What they hold: items."""
    pots: tuple[tuple[int, int], ...] = ()
    """(cell, pot) of pots that are not empty."""


@dataclass(frozen=True)
class Layout:
    """A kitchen for two cooks.

    Cells of the grid: X counter, O onions, T tomatoes, D dishes, P pot, S serving hatch, a space
    is floor, 1 and 2 are the cooks.
    """

    name: str
    rows: tuple[str, ...]
    """The grid without the cooks."""
    rules: Rules
    start: Start
    reference: str = ""
    """Its name in the reference package; empty for a kitchen of the user's own."""

    @property
    def width(self) -> int:
        """Cells in a row."""
        return len(self.rows[0])

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.rows)

    @property
    def kinds(self) -> tuple[int, ...]:
        """What every cell is, in reading order: `FLOOR`, `COUNTER`, …, `SERVING`."""
        return tuple(_LETTERS.index(letter) for row in self.rows for letter in row)

    def with_rules(self, **changes: Any) -> Layout:
        """Return the kitchen with some rules changed, such as `cooking="manual"`.

        Raises:
            LayoutError: no such rule, or it makes no sense.
        """
        return replace(self, rules=Rules.read({**self.rules.data(), **changes}))


def layout_names() -> tuple[str, ...]:
    """Return the names of the kitchens that ship with the package, sorted."""
    return tuple(sorted(_shipped()))


def load_layout(source: str | Layout) -> Layout:
    """Return a kitchen: by name, from a drawn grid (text with line breaks), or as it is.

    Raises:
        LayoutError: no kitchen has that name, or the grid is none.
    """
    if isinstance(source, Layout):
        return source
    if "\n" in source:
        return draw_layout(source)
    name = ALIASES.get(source, source)
    shipped = _shipped()
    if name not in shipped:
        known = layout_names()
        raise LayoutError(
            f"unknown kitchen {source!r}.{did_you_mean(source, known)} There are: "
            f"{', '.join(known)}; or give a grid with line breaks"
        )
    data = shipped[name]
    layout = draw_layout(data["grid"], name=name, rules=Rules.read(data["rules"]))
    start = _read_start(data["start"], layout.width) if "start" in data else layout.start
    return replace(layout, start=start, reference=data["reference"])


def draw_layout(
    grid: str | Sequence[str], *, name: str = "drawn", rules: Rules | None = None
) -> Layout:
    """Return the kitchen of a grid, one row a line; blanks around a row do not count.

    Raises:
        LayoutError: the grid is no kitchen; the message says what is amiss.
    """
    lines = grid.strip().split("\n") if isinstance(grid, str) else grid
    rows = [line.strip() for line in lines]
    problem = _problem(rows)
    if problem:
        raise LayoutError(f"the grid of kitchen {name!r} {problem}")
    text = "".join(rows)
    floor = tuple(row.replace("1", " ").replace("2", " ") for row in rows)
    start = Start((text.index("1"), text.index("2")))
    return Layout(name, floor, rules or Rules(), start)


@cache
def _shipped() -> Mapping[str, Any]:
    data: dict[str, Any] = read_json("overcooked_layouts.json")
    return data


def _problem(rows: Sequence[str]) -> str:
    """Say what keeps a grid from being a kitchen; empty if nothing does."""
    text = "".join(rows)
    strangers = set(text) - set(_LETTERS) - {"1", "2"}
    if not text or len({len(row) for row in rows}) > 1:
        return "must be rows of one length"
    if strangers:
        return f"holds {sorted(strangers)}; its cells are X O T D P S, space, 1 and 2"
    if text.count("1") != 1 or text.count("2") != 1:
        return "must hold the cooks 1 and 2 once each"
    border = rows[0] + rows[-1] + "".join(row[0] + row[-1] for row in rows)
    if set(border) & set(" 12"):
        return "must be closed: no floor at its border"
    missing = [letter for letter in "DPS" if letter not in text]
    if missing or not set(text) & set("OT"):
        return f"lacks {missing or 'O or T'}: it needs dishes, a pot, a hatch and ingredients"
    return ""


def _read_start(data: Mapping[str, Any], width: int) -> Start:
    first, second = data["cooks"]
    return Start(
        cells=(_cell(first["at"], width), _cell(second["at"], width)),
        facings=(FACINGS.index(first["facing"]), FACINGS.index(second["facing"])),
        pots=tuple((_cell(pot["at"], width), mix_of(pot["recipe"])) for pot in data["pots"]),
    )


def _cell(at: Sequence[int], width: int) -> int:
    return at[1] * width + at[0]
