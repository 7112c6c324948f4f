"""Pictures of a kitchen and animations of a game, drawn without a display."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from anchorgym.envs.overcooked.items import (
    CAPACITY,
    DISH,
    NOTHING,
    ONION,
    SOUP,
    STARTED,
    TOMATO,
    is_soup,
    onions,
    pot_mix,
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

TILE: Final = 64
"""Pixels of a cell's side."""
_FINER: Final = 3
"""The factor by which everything is drawn larger and then scaled down, for smooth edges."""
_BAR: Final = 0.9
"""Height of the bar above the kitchen, in cells."""

_COOKS: Final = ("#3f72d8", "#2f9e5b")
_INK, _PAPER = "#3a2f2a", "#fbf7ef"
_WOOD, _EDGE = "#cf9f6b", "#a97a48"
_TILES: Final = ("#f3ead9", "#ebdfc9")
_ONION, _ONION_SKIN = "#f2d27a", "#c99532"
_TOMATO, _TOMATO_SKIN = "#e2503f", "#b3352a"
_METAL, _METAL_EDGE, _HOT = "#8d949c", "#565d66", "#f08a24"
_WHITE, _PLATE_EDGE = "#ffffff", "#b9c0c7"
_READY: Final = "#39b54a"

Box = tuple[float, float, float, float]


def picture(kitchen: Kitchen, state: State, score: int = 0, left: int | None = None) -> Image.Image:
    """Return the game as it stands: held items, pots with timers, orders, score and clock.

    Args:
        kitchen: where.
        state: of the game.
        score: points so far.
        left: ticks that are left; None leaves the clock out.
    """
    canvas = _Canvas(kitchen.width, kitchen.height)
    canvas.bar(kitchen, score, left)
    for cell, kind in enumerate(kitchen.kinds):
        canvas.place(kitchen.position(cell), kind)
        content = kitchen.content(state, cell)
        if kind == POT:
            canvas.pot(kitchen, kitchen.position(cell), content)
        elif content:
            canvas.item(kitchen.position(cell), content)
    for seat, (stance, held) in enumerate(zip(state.stances, state.held, strict=True)):
        canvas.cook(kitchen.position(stance >> 2), stance & 3, held, seat)
    return canvas.finished()


def animate(frames: Iterable[Image.Image], path: str | Path, fps: float = 5.0) -> None:
    """Write an animated GIF that repeats for ever.

    Args:
        frames: pictures of one size.
        path: of the file.
        fps: frames a second.
    """
    # One palette for all frames: a GIF with a palette each flickers, and is larger.
    pictures = list(frames)
    palette = pictures[-1].quantize(128)
    first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in pictures]
    first.save(path, save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)


def film(
    kitchen: Kitchen, states: Sequence[State], scores: Sequence[int], horizon: int
) -> list[Image.Image]:
    """Return a picture of each state of a game that began `len(states) - 1` ticks ago."""
    return [
        picture(kitchen, state, score, horizon - tick)
        for tick, (state, score) in enumerate(zip(states, scores, strict=True))
    ]


class _Canvas:
    """Draws in cells: (x, y) is the top left of a kitchen's cell, fractions are allowed."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._unit = TILE * _FINER
        size = (width * self._unit, round((height + _BAR) * self._unit))
        self._image = Image.new("RGB", size, _PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def finished(self) -> Image.Image:
        size = (self.width * TILE, round((self.height + _BAR) * TILE))
        return self._image.resize(size, Image.Resampling.LANCZOS)

    # Shapes ---------------------------------------------------------------------------------

    def _box(self, x: float, y: float, width: float, height: float) -> Box:
        unit, top = self._unit, _BAR
        return x * unit, (y + top) * unit, (x + width) * unit, (y + height + top) * unit

    def _rectangle(
        self, x: float, y: float, w: float, h: float, fill: str, edge: str = "", round_: float = 0
    ) -> None:
        box, line = self._box(x, y, w, h), round(self._unit * 0.03)
        self._draw.rounded_rectangle(box, round_ * self._unit, fill, edge or None, line)

    def _disc(
        self, x: float, y: float, radius: float, fill: str, edge: str = "", squash: float = 1.0
    ) -> None:
        """A disc around (x, y); `squash` below 1 makes it an ellipse lying flat."""
        box = self._box(x - radius, y - radius * squash, 2 * radius, 2 * radius * squash)
        self._draw.ellipse(box, fill, edge or None, round(self._unit * 0.03))

    def _text(self, x: float, y: float, text: str, size: float, fill: str, anchor: str) -> None:
        font = ImageFont.load_default(size=size * self._unit)
        where = (x * self._unit, (y + _BAR) * self._unit)
        self._draw.text(where, text, fill, font, anchor)

    # Things ---------------------------------------------------------------------------------

    def bar(self, kitchen: Kitchen, score: int, left: int | None) -> None:
        """Score at the left, orders in the middle, clock at the right; small where it is tight."""
        self._rectangle(0, -_BAR, self.width, _BAR, _INK)
        self._text(0.2, -_BAR * 0.68, "SCORE", 0.17, "#c9bba8", "lm")
        self._text(0.2, -_BAR * 0.33, str(score), 0.4, _PAPER, "lm")
        if left is not None:
            self._text(self.width - 0.2, -_BAR * 0.68, "TICKS LEFT", 0.17, "#c9bba8", "rm")
            self._text(self.width - 0.2, -_BAR * 0.33, str(left), 0.4, _PAPER, "rm")
        wanted = kitchen.rules.wanted[: max(1, int((self.width - 2.6) / 0.8))]
        start = self.width / 2 - 0.4 * (len(wanted) - 1)
        for place, mix in enumerate(wanted):
            x = start + 0.8 * place
            self._disc(x, -_BAR * 0.6, 0.3, _WHITE, _PLATE_EDGE)
            self._ingredients(x, -_BAR * 0.6, mix, 0.1)
            self._text(x, -_BAR * 0.14, str(kitchen.rules.worth(mix)), 0.2, _PAPER, "mm")

    def place(self, at: tuple[int, int], kind: int) -> None:
        x, y = at
        if kind == FLOOR:
            self._rectangle(x, y, 1, 1, _TILES[(x + y) % 2])
            return
        self._rectangle(x, y, 1, 1, _EDGE)
        self._rectangle(x + 0.02, y + 0.02, 0.96, 0.88, _WOOD, round_=0.06)
        if kind in (ONIONS, TOMATOES):
            self._crate(x, y, ONION if kind == ONIONS else TOMATO)
        elif kind == DISHES:
            for lift in (0.08, 0.0, -0.08, -0.16):
                self._disc(x + 0.5, y + 0.52 + lift, 0.33, _WHITE, _PLATE_EDGE, squash=0.62)
        elif kind == SERVING:
            self._rectangle(x + 0.06, y + 0.06, 0.88, 0.8, "#5d6b7a", round_=0.08)
            self._text(x + 0.5, y + 0.3, "SERVE", 0.2, _PAPER, "mm")
            for shift in (0.0, 0.16):
                peak = self._box(x + 0.5, y + 0.45 + shift, 0, 0)[:2]
                sides = [self._box(x + dx, y + 0.62 + shift, 0, 0)[:2] for dx in (0.3, 0.7)]
                path = [sides[0], peak, sides[1]]
                self._draw.line(path, "#ffd166", round(self._unit * 0.06), "curve")
        elif kind != COUNTER:
            self._rectangle(x + 0.06, y + 0.06, 0.88, 0.8, "#4a4f57", round_=0.08)

    def _crate(self, x: float, y: float, item: int) -> None:
        self._rectangle(x + 0.1, y + 0.1, 0.8, 0.72, "#8a5a2e", "#6d4521", round_=0.06)
        for dx, dy in ((0.3, 0.34), (0.7, 0.34), (0.5, 0.3), (0.34, 0.58), (0.66, 0.58)):
            self._ingredient(x + dx, y + dy, item, 0.16)

    def _ingredient(self, x: float, y: float, item: int, radius: float) -> None:
        """An onion with a shoot, or a tomato with a stalk, around (x, y)."""
        fill, edge = (_ONION, _ONION_SKIN) if item == ONION else (_TOMATO, _TOMATO_SKIN)
        self._disc(x, y, radius, fill, edge)
        top = y - radius
        shoot = "#7fa650" if item == TOMATO else _ONION_SKIN
        self._rectangle(x - radius * 0.15, top - radius * 0.35, radius * 0.3, radius * 0.55, shoot)
        if item == ONION:
            box = self._box(x - radius * 0.45, y - radius * 0.9, radius * 0.9, radius * 1.8)
            self._draw.arc(box, 100, 260, edge, round(self._unit * 0.02))

    def _ingredients(self, x: float, y: float, mix: int, radius: float) -> None:
        """Up to three ingredients around (x, y)."""
        items = [ONION] * onions(mix) + [TOMATO] * tomatoes(mix)
        for place, item in enumerate(items):
            angle = math.pi * (2 * place / max(len(items), 2) - 0.5)
            away = radius * 1.15 if len(items) > 1 else 0.0
            self._ingredient(x + away * math.cos(angle), y + away * math.sin(angle), item, radius)

    def item(self, at: tuple[float, float], item: int, scale: float = 1.0) -> None:
        """What lies in a cell, around its middle."""
        x, y = at[0] + 0.5, at[1] + 0.46
        if item == DISH or is_soup(item):
            self._disc(x, y, 0.34 * scale, _WHITE, _PLATE_EDGE)
            self._disc(x, y, 0.23 * scale, "#f3f5f7", _PLATE_EDGE)
        if is_soup(item):
            mix = item - SOUP
            self._disc(x, y, 0.25 * scale, "#e9b04a" if onions(mix) else "#e87a5c")
            self._ingredients(x, y, mix, 0.1 * scale)
        elif item in (ONION, TOMATO):
            self._ingredient(x, y, item, 0.24 * scale)

    def pot(self, kitchen: Kitchen, at: tuple[int, int], pot: int) -> None:
        """A pot with what is in it; a ring shows how far it has cooked, and it says the ticks."""
        x, y = at[0] + 0.5, at[1] + 0.46
        cooking, ready = pot >= STARTED, kitchen.is_ready(pot)
        for side in (-1, 1):
            self._rectangle(x + side * 0.38 - 0.07, y - 0.06, 0.14, 0.12, _METAL_EDGE, round_=0.04)
        self._disc(x, y, 0.37, _METAL, _METAL_EDGE)
        self._disc(x, y, 0.28, "#e9b04a" if cooking else "#3c4148")
        self._ingredients(x, y, pot_mix(pot), 0.11)
        if not cooking:
            self._count(x, y, pot)
            return
        time = kitchen.rules.cook_time(pot_mix(pot))
        share = 1 - kitchen.remaining(pot) / time
        box = self._box(x - 0.39, y - 0.39, 0.78, 0.78)
        colour = _READY if ready else _HOT
        self._draw.arc(box, -90, -90 + 360 * share, colour, round(self._unit * 0.08))
        label = "READY" if ready else str(kitchen.remaining(pot))
        wide = 0.56 if ready else 0.34
        self._rectangle(x - wide / 2, y + 0.2, wide, 0.25, colour, _PAPER, round_=0.1)
        self._text(x, y + 0.325, label, 0.17 if ready else 0.2, _WHITE, "mm")

    def _count(self, x: float, y: float, pot: int) -> None:
        """Dots below a pot that was not started: how many ingredients it has of three."""
        inside = onions(pot) + tomatoes(pot)
        if pot == NOTHING:
            return
        for place in range(CAPACITY):
            fill = _HOT if place < inside else _PAPER
            self._disc(x + 0.16 * (place - 1), y + 0.36, 0.06, fill, _INK)

    def cook(self, at: tuple[int, int], facing: int, held: int, seat: int) -> None:
        """A cook from above: hat with the seat's number, hands where it faces."""
        x, y = at[0] + 0.5, at[1] + 0.5
        dx, dy = ((0, -1), (0, 1), (1, 0), (-1, 0))[facing]
        self._disc(x + 0.02, y + 0.06, 0.36, "#cbbd9f", squash=0.95)
        for side in (-1, 1):
            self._disc(
                x + 0.3 * dx + 0.2 * side * dy, y + 0.3 * dy + 0.2 * side * dx, 0.1, "#f0c39a",
                _INK,
            )  # fmt: skip
        self._disc(x, y, 0.34, _COOKS[seat], _INK)
        self._disc(x - 0.06 * dx, y - 0.06 * dy, 0.21, _WHITE, _PLATE_EDGE)
        self._text(x - 0.06 * dx, y - 0.06 * dy, str(seat), 0.24, _COOKS[seat], "mm")
        if held:
            self.item((at[0] + 0.36 * dx, at[1] + 0.04 + 0.36 * dy), held, 0.72)
        else:
            tip = (x + 0.44 * dx, y + 0.44 * dy)
            left, right = ((x + 0.32 * dx + s * 0.09 * dy, y + 0.32 * dy + s * 0.09 * dx)
                           for s in (-1, 1))  # fmt: skip
            points = [self._box(*point, 0, 0)[:2] for point in (tip, left, right)]
            self._draw.polygon(points, _COOKS[seat])
