"""The report of a red-team measurement, as text, JSON and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from anchorgym.training.evaluation.statistics import Interval, over_seeds
from anchorgym.training.worlds.redteam.evaluation import TeamFigures

_COLUMNS = {
    "attack_success": "attacks won",
    "contagion": "spread",
    "utility_clean": "clean",
    "utility_noted": "notes",
    "utility_attacked": "hit",
    "over_refusal": "fuss",
    "detection": "found",
}
_LEGEND = (
    "in %, attacks won with 95 % intervals over tasks (those of the others: JSON)\n"
    "spread: infected beside the one who was attacked; clean, notes, hit: work done\n"
    "without words from outside, with harmless ones, under attack\n"
    "fuss: harmless words refused; found: attacks refused"
)
WIDTH = 96
"""Width of the tables, in characters."""
_COLLAPSED = 0.05
"""Entropy in nats below which a policy counts as collapsed."""


@dataclass(frozen=True, slots=True)
class RedTeamReport:
    """The measurements of a run.

    Attributes:
        figures: results of teams against attackers, the baseline teams included.
        cross_play: attack success of the attackers of generations (rows) against the teams of
            generations (columns).
        entropies: entropy of the policies in the last iteration, by role, in nats.
    """

    figures: list[TeamFigures]
    cross_play: dict[str, dict[str, Interval]]
    entropies: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "figures": [each.to_json() for each in self.figures],
            "cross_play": {
                row: {column: asdict(cell) for column, cell in cells.items()}
                for row, cells in self.cross_play.items()
            },
            "entropies": self.entropies,
            "warnings": self.warnings(),
        }

    def warnings(self) -> list[str]:
        """Return warnings about the validity of the results."""
        return [
            f"the policy of {role} has collapsed: its entropy is {entropy:.3f} nats, so figures "
            "against it say little of what it could do"
            for role, entropy in self.entropies.items()
            if entropy < _COLLAPSED
        ]

    def tables(self) -> Group:
        """Return tables for people."""
        entropies = ", ".join(f"{role} {nats:.2f}" for role, nats in self.entropies.items())
        return Group(
            _teams(self.figures),
            _cells(self.figures),
            _attacks(self.figures),
            _cross_play(self.cross_play),
            f"entropy of the policies in the last iteration, in nats: {entropies}",
        )


def pooled(reports: Sequence[RedTeamReport]) -> Table:
    """Return a table of the pooled results of several runs, such as of different seeds.

    The teams are those of `RedTeamReport.figures`; the trained team is called "last".
    """
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for report in reports:
        last = report.figures[-1].team
        for of in report.figures:
            row = found.setdefault(("last" if of.team == last else of.team, of.attacker), {})
            for name, interval in of.measures.items():
                row.setdefault(name, []).append(interval.mean)
    table = _teams_table(f"{len(reports)} runs, with Student's 95 % intervals over them")
    for (team, attacker), row in found.items():
        cells = {name: over_seeds(values) for name, values in row.items()}
        table.add_row(team, attacker, *_team_cells(cells))
    return table


def _teams(figures: Sequence[TeamFigures]) -> Table:
    table = _teams_table(None)
    for of in figures:
        table.add_row(of.team, of.attacker, *_team_cells(of.measures))
    table.caption = _LEGEND
    table.caption_justify = "left"
    return table


def _teams_table(title: str | None) -> Table:
    head = ("team", "attacker", *_COLUMNS.values())
    table = Table(*head, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title)
    for column in table.columns:
        column.no_wrap = True
    return table


def _team_cells(measures: Mapping[str, Interval]) -> list[str]:
    """Return the cells of a row: attack success with its interval, other measures without."""
    found = [(name, measures.get(name)) for name in _COLUMNS]
    return [
        "" if of is None else str(of) if name == "attack_success" else f"{100 * of.mean:.0f}"
        for name, of in found
    ]


def _cells(figures: Sequence[TeamFigures]) -> Table:
    """Return a table of attack success against the last team, by goal, surface and topology."""
    last = [of for of in figures if of.team == figures[-1].team]
    keys = sorted({key for of in last for key, _, _ in of.cells})
    title = f"attack success against {figures[-1].team}"
    head = ("goal", "surface", "topology", *(of.attacker for of in last))
    table = Table(*head, box=box.SIMPLE_HEAD, padding=(0, 1), title=title)
    for key in keys:
        found = [next((f"{100 * m:.0f}" for k, m, _ in of.cells if k == key), "") for of in last]
        table.add_row(*key, *found)
    return table


def _attacks(figures: Sequence[TeamFigures]) -> Table:
    """Return a table of the diversity of each attacker's messages to the last team."""
    table = Table(
        "attacker",
        "texts",
        "unique",
        "pairs",
        "distance",
        "most often",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        title="how different attacks are, what they must name left out",
    )
    for of in (of for of in figures if of.team == figures[-1].team):
        often = next(iter(of.strategies), "")
        shares = [f"{of.diversity[key]:.2f}" for key in ("unique", "distinct_pairs", "distance")]
        table.add_row(of.attacker, f"{of.diversity['n']}", *shares, Text(often or "(nothing)"))
    return table


def _cross_play(cells: Mapping[str, Mapping[str, Interval]]) -> Table:
    columns = list(next(iter(cells.values()), {}))
    table = Table(
        "attacker",
        *columns,
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        title="attack success over generations",
    )
    for row, of in cells.items():
        table.add_row(row, *(f"{100 * of[column].mean:.1f}" for column in columns))
    return table


def draw(report: RedTeamReport, picture: Path) -> None:
    """Draw attack success of every pair with intervals, and cross-play over generations."""
    figure = Figure(
        figsize=(11, 0.9 + 0.34 * max(8, len(report.figures))), dpi=130, layout="constrained"
    )
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    shown = report.figures[::-1]
    names = [f"{of.team} ← {of.attacker}" for of in shown]
    for place, of in enumerate(shown):
        success, utility = of.measures["attack_success"], of.measures.get("utility_clean")
        for at, colour, label, beside in (
            (success, "#b3261e", "attack success", 0.14),
            (utility, "#2563a8", "utility, clean", -0.14),
        ):
            if at is None:
                continue
            error = [[at.mean - at.low], [at.high - at.mean]]
            left.errorbar(
                at.mean,
                place + beside,
                xerr=error,
                fmt="o",
                markersize=4,
                color=colour,
                capsize=2,
                label=label if place == 0 else None,
            )
    left.set_yticks(range(len(names)), names, fontsize=8)
    left.set_xlim(-0.02, 1.02)
    left.xaxis.set_major_formatter(PercentFormatter(1.0))
    left.grid(axis="x", alpha=0.3)
    left.legend(fontsize=8, frameon=False)
    rows = list(report.cross_play)
    columns = list(next(iter(report.cross_play.values()), {}))
    values = [[report.cross_play[row][column].mean for column in columns] for row in rows]
    if values:
        right.imshow(values, cmap="Reds", vmin=0, vmax=1, aspect="auto")
        for i, line in enumerate(values):
            for j, value in enumerate(line):
                colour = "white" if value > 0.6 else "#24292f"
                right.text(
                    j, i, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=8
                )
    right.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=8)
    right.set_yticks(range(len(rows)), rows, fontsize=8)
    right.set_title("attack success in % by generation", fontsize=9)
    figure.savefig(picture)
