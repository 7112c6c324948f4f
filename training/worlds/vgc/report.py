"""The report of a league's evaluation, as tables for a terminal and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Group
from rich.table import Table

from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.worlds.vgc.evaluating import SplitResult

_INK = "#24292f"
_BLUE, _ORANGE = "#2563a8", "#d9730d"
_TITLES = {"seen": "performance: teams of training", "unseen": "generalisation: unseen teams"}


def tables(results: Sequence[SplitResult]) -> Group:
    """Return tables of cross-play and rankings by split, and of the loss on unseen teams."""
    parts: list[Table] = []
    for result in results:
        parts += [_cross_play(result), _ranking(result)]
    if len(results) == 2:
        parts.append(_loss(*results))
    return Group(*parts)


def _cross_play(result: SplitResult) -> Table:
    table = Table(
        title=f"{_TITLES[result.split]}: share of games that the row wins, 95 % intervals",
        title_justify="left",
    )
    table.add_column("")
    for name in result.names:
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in zip(result.names, result.shares, strict=True):
        table.add_row(name, *(str(cell) if cell else "" for cell in row))
    return table


def _ranking(result: SplitResult) -> Table:
    table = Table(title=f"{result.split} teams, {result.games} games", title_justify="left")
    for head in ("player", "wins", "Elo", "alpha-rank"):
        table.add_column(head, justify="left" if head == "player" else "right", no_wrap=True)
    for one in sorted(result.standings, key=lambda one: -one.elo.mean):
        rating = f"{one.elo.mean:+.0f} [{one.elo.low:+.0f}, {one.elo.high:+.0f}]"
        table.add_row(one.name, str(one.wins), rating, f"{one.alpha:.3f}")
    return table


def _loss(seen: SplitResult, unseen: SplitResult) -> Table:
    table = Table(title="what is lost on unseen teams", title_justify="left")
    for head in ("player", "seen", "unseen", "difference"):
        table.add_column(head, justify="left" if head == "player" else "right", no_wrap=True)
    there = {one.name: one for one in unseen.standings}
    for one in seen.standings:
        other = there[one.name]
        table.add_row(
            one.name, str(one.wins), str(other.wins), minus(other.wins, one.wins).signed()
        )
    return table


def minus(one: Interval, other: Interval) -> Interval:
    """Return the difference of independent estimates."""
    mean = one.mean - other.mean
    below = float(np.hypot(one.mean - one.low, other.high - other.mean))
    above = float(np.hypot(one.high - one.mean, other.mean - other.low))
    return Interval(mean, mean - below, mean + above)


def draw(results: Sequence[SplitResult], picture: Path) -> None:
    """Draw cross-play and ratings of every split as a PNG."""
    n = len(results[0].names)
    side = 1.6 + 0.62 * n
    figure = Figure(
        figsize=(side * len(results) + 4.6, max(3.6, side - 0.6)), dpi=120, layout="constrained"
    )
    FigureCanvasAgg(figure)
    widths = [side] * len(results) + [4.4]
    axes = list(figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0])
    images = [_matrix(axis, result) for axis, result in zip(axes, results, strict=False)]
    figure.colorbar(images[0], ax=axes[: len(results)], shrink=0.7, label="share that the row wins")
    _ratings(axes[-1], results)
    figure.savefig(picture)


def _matrix(axis: Any, result: SplitResult) -> Any:
    values = np.array(
        [[np.nan if cell is None else cell.mean for cell in row] for row in result.shares]
    )
    image = axis.imshow(values, vmin=0, vmax=1, cmap="RdBu")
    for i, row in enumerate(result.shares):
        for j, cell in enumerate(row):
            if cell is None:
                continue
            strong = abs(cell.mean - 0.5) > 0.3
            half = 50 * (cell.high - cell.low)
            axis.text(
                j,
                i,
                f"{100 * cell.mean:.0f}\n±{half:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if strong else _INK,
            )
    ticks = range(len(result.names))
    axis.set_xticks(ticks, result.names, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(ticks, result.names, fontsize=8)
    axis.set_title(_TITLES[result.split], fontsize=10, color=_INK)
    return image


def _ratings(axis: Any, results: Sequence[SplitResult]) -> None:
    order = sorted(results[0].standings, key=lambda one: one.elo.mean)
    places = {one.name: place for place, one in enumerate(order)}
    for k, (result, colour) in enumerate(zip(results, (_BLUE, _ORANGE), strict=False)):
        shift = 0.14 * (1 - 2 * k) if len(results) > 1 else 0.0
        for one in result.standings:
            spread = [[one.elo.mean - one.elo.low], [one.elo.high - one.elo.mean]]
            axis.errorbar(
                one.elo.mean,
                places[one.name] + shift,
                xerr=spread,
                fmt="o",
                ms=4,
                color=colour,
                label=result.split if places[one.name] == 0 else None,
            )
    axis.set_yticks(range(len(order)), [one.name for one in order], fontsize=8)
    axis.set_title("Elo, 95 % intervals", fontsize=10, color=_INK)
    axis.axvline(0, color="#8a8f98", lw=0.8)
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    axis.grid(axis="x", alpha=0.25)
