"""Statistics of a run's step groups, and their picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from anchorgym.gigpo import AnchorReport
from anchorgym.training.run.reading import read_metrics

_BLUE, _ORANGE, _GREY, _GREEN = "#2563a8", "#d9730d", "#8a8f98", "#2f8f5b"
_LINES = (
    ("singletons", _ORANGE, "alone in its step group"),
    ("one_trajectory", _BLUE, "state met by its own episode alone"),
    ("aliased_texts", _GREEN, "text also shown in another state"),
    ("aliased_states", _GREY, "state also shown as another text"),
)


def read_anchors(run: Path) -> AnchorReport | None:
    """Return the anchor report over all iterations of a run; None if it has no iterations."""
    reports = [report for _, report in _reports(run)]
    return AnchorReport.merged(reports) if reports else None


def draw_anchors(run: Path, anchor: str) -> None:
    """Draw `anchors.png` in the folder of a run, if it has iterations.

    The left panel shows shares of turns over the iterations. The right panel shows, by turn number,
    the mean size of step groups as bars and the share of turns alone in their group as a line.

    Args:
        run: folder of the run.
        anchor: key that turns are grouped by, for the title.
    """
    reports = _reports(run)
    if not reports:
        return
    figure = Figure(figsize=(10, 4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for name, colour, label in _LINES:
        values = [getattr(report, name) for _, report in reports]
        left.plot([number for number, _ in reports], values, "o-", ms=3, color=colour, label=label)
    left.set(title="Shares of turns", xlabel="iteration", ylim=(-0.03, 1.03))
    left.yaxis.set_major_formatter(PercentFormatter(1.0))
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend(frameon=False, fontsize=9)
    _draw_depths(right, AnchorReport.merged([report for _, report in reports]), anchor)
    for axis in (left, right):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(run / "anchors.png")


def _draw_depths(axis: Any, whole: AnchorReport, anchor: str) -> None:
    places = range(len(whole.depths))
    axis.bar(places, whole.size_at, 0.6, color=_BLUE, alpha=0.75)
    axis.set(title=f"Step groups by {anchor}", xlabel="turn", ylabel="turns in a step group")
    axis.yaxis.label.set_color(_BLUE)
    axis.set_xticks(list(places), whole.bands)
    shares = axis.twinx()
    shares.plot(places, whole.singletons_at, "o-", color=_ORANGE)
    shares.set(ylabel="share alone", ylim=(0, 1.03))
    shares.yaxis.label.set_color(_ORANGE)
    shares.yaxis.set_major_formatter(PercentFormatter(1.0))
    shares.spines[["top", "left"]].set_visible(False)


def _reports(run: Path) -> list[tuple[int, AnchorReport]]:
    found = []
    for record in read_metrics(run / "metrics.jsonl"):
        if record.pop("phase") == "anchors":
            record.pop("seconds")
            found.append((record.pop("iteration"), AnchorReport.from_json(record)))
    return found
