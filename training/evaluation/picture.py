"""The picture of a measurement: success by task type, pass@k, and the paired difference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator, PercentFormatter

from anchorgym.envs.texts import one_line
from anchorgym.training.evaluation.figures import Comparison, Evaluation
from anchorgym.training.evaluation.statistics import Interval

if TYPE_CHECKING:
    from anchorgym.training.evaluation.measurement import Measurement

_COLOURS = ("#2563a8", "#d9730d")
_GREY = "#8a8f98"
_INK = "#24292f"
_MARKERS = {"greedy": "o", "sampled": "D"}
_EVERYTHING = "all tasks"


def draw_evaluation(measurement: Measurement, picture: Path) -> None:
    """Draw a measurement as a PNG.

    The first panel shows success of all tasks and by task type, with 95 % intervals. If tasks were
    played more than once, the next shows pass@k and pass^k; if two players were compared, the last
    shows the paired difference by task type.
    """
    with rc_context({"text.parse_math": False}):  # names of worlds are no formulas
        _figure(measurement).savefig(picture)


def _figure(measurement: Measurement) -> Figure:
    found, comparisons = measurement.found, measurement.comparisons
    sampled = [e for e in found.get("sampled", ()) if e.samples > 1]
    kinds = _kinds(next(iter(found.values()))[0])
    widths = [5.6, *([3.4] if sampled else []), *([3.6] if comparisons else [])]
    height = 1.7 + 0.34 * max(6, len(kinds) + 1)
    figure = Figure(
        figsize=(sum(widths), height), dpi=130, layout=ConstrainedLayoutEngine(wspace=0.06)
    )
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0])
    first = next(iter(found.values()))[0]
    figure.suptitle(_title(measurement, first), x=0.01, ha="left", fontsize=11, color=_INK)
    _success(axes.pop(0), measurement, kinds)
    if sampled:
        _tries(axes.pop(0), sampled)
    if comparisons:
        _differences(axes.pop(0), comparisons, kinds)
    return figure


def _success(axis: Any, measurement: Measurement, kinds: Sequence[str]) -> None:
    found, names = measurement.found, measurement.names
    series = [(mode, i, each[i]) for i in range(len(names)) for mode, each in found.items()]
    for n, (mode, i, evaluation) in enumerate(series):
        look = {"color": _COLOURS[i], "fmt": _MARKERS[mode]}
        shift = 0.18 * ((len(series) - 1) / 2 - n)
        intervals = [_interval(evaluation, kind) for kind in kinds]
        places = [row + shift for row in _rows(kinds)]
        _errorbars(axis, intervals, places, look, hollow=mode == "sampled")
        axis.axvline(evaluation.success.mean, color=_COLOURS[i], lw=0.8, ls=_line(mode), alpha=0.5)
    first = series[0][2]
    axis.set(title="Success by type of task, 95 % intervals", xlim=(-0.03, 1.03))
    _type_axis(axis, kinds, [_kind_label(first, kind) for kind in kinds])
    _mark_worst(axis, kinds, first)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    handles = [_handle(names, mode, i) for mode, i, _ in series]
    axis.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.09),
        ncols=2,
        frameon=False,
        fontsize=8,
    )


def _tries(axis: Any, evaluations: Sequence[Evaluation]) -> None:
    """Draw pass@k, which rewards luck, and pass^k, which demands reliability."""
    for i, evaluation in enumerate(evaluations):
        for curve, line in ((evaluation.pass_at, "-"), (evaluation.pass_all, "--")):
            ks = list(curve)
            mean, low, high = ([getattr(curve[k], part) for k in ks] for part in _PARTS)
            axis.fill_between(ks, low, high, color=_COLOURS[i], alpha=0.12, lw=0)
            axis.plot(ks, mean, color=_COLOURS[i], ls=line, marker="o", ms=4, lw=1.6)
    lines = [
        Line2D([], [], color=_GREY, ls=line, marker="o", ms=4, label=label)
        for line, label in (("-", "pass@k: at least one"), ("--", "pass^k: all k"))
    ]
    axis.legend(handles=lines, frameon=False, fontsize=8, loc="best", handlelength=3.2)
    ks = sorted({k for evaluation in evaluations for k in evaluation.pass_at})
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter(NullFormatter())
    axis.set_xticks(ks, [str(k) for k in ks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set(title="Won in k episodes", ylim=(-0.03, 1.03))
    axis.set_xlabel("k episodes of a task", fontsize=8.5)
    axis.set_xlim(ks[0] * 0.9, ks[-1] * 1.1)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _clean(axis, "y")


def _differences(axis: Any, comparisons: dict[str, Comparison], kinds: Sequence[str]) -> None:
    for n, (mode, comparison) in enumerate(comparisons.items()):
        gains = {_EVERYTHING: comparison.difference, **comparison.by_type}
        shift = 0.2 * ((len(comparisons) - 1) / 2 - n)
        intervals = [gains[kind] for kind in kinds if kind in gains]
        places = [
            row + shift for row, kind in zip(_rows(kinds), kinds, strict=True) if kind in gains
        ]
        look = {"color": _INK, "fmt": _MARKERS[mode]}
        _errorbars(axis, intervals, places, look, hollow=mode == "sampled")
    axis.axvline(0, color=_GREY, lw=1)
    axis.set(title="Paired difference, first - second")
    _type_axis(axis, kinds, [])
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.margins(x=0.08)


_PARTS = ("mean", "low", "high")


def _errorbars(
    axis: Any,
    intervals: Sequence[Interval],
    places: Sequence[float],
    look: dict[str, Any],
    *,
    hollow: bool,
) -> None:
    mean, low, high = ([getattr(each, part) for each in intervals] for part in _PARTS)
    left = [m - edge for m, edge in zip(mean, low, strict=True)]
    right = [edge - m for m, edge in zip(mean, high, strict=True)]
    fill = {"mfc": "white"} if hollow else {}
    axis.errorbar(mean, places, xerr=[left, right], ms=5, capsize=2.5, lw=1.3, **look, **fill)


def _type_axis(axis: Any, kinds: Sequence[str], labels: Sequence[str]) -> None:
    """Arrange the task types from top to bottom, below a separate row of all tasks."""
    rows = _rows(kinds)
    axis.set_yticks(rows, labels or [""] * len(rows), fontsize=8.5)
    axis.set_ylim(rows[-1] - 0.6, rows[0] + 0.6)
    if len(rows) > 1:
        axis.axhspan(rows[0] - 0.55, rows[0] + 0.6, color=_GREY, alpha=0.12, lw=0)
    axis.tick_params(axis="y", length=0)
    if labels:
        axis.get_yticklabels()[0].set_fontweight("bold")
    _clean(axis, "x")


def _mark_worst(axis: Any, kinds: Sequence[str], evaluation: Evaluation) -> None:
    if evaluation.worst is not None:
        label = axis.get_yticklabels()[list(kinds).index(evaluation.worst)]
        label.set(color="#b42318", fontweight="bold")


def _clean(axis: Any, grid: str) -> None:
    axis.grid(axis=grid, alpha=0.25)
    axis.spines[["top", "right", "left"] if grid == "x" else ["top", "right"]].set_visible(False)
    axis.title.set(fontsize=10, color=_INK)
    axis.tick_params(labelsize=8.5)


def _kinds(evaluation: Evaluation) -> list[str]:
    """Return the rows: all tasks, then the task types from best to worst."""
    named = [kind for kind in evaluation.type_success if kind]
    named.sort(key=evaluation.rank, reverse=True)
    return [_EVERYTHING, *named]


def _rows(kinds: Sequence[str]) -> list[float]:
    return [float(-n) for n in range(len(kinds))]


def _interval(evaluation: Evaluation, kind: str) -> Interval:
    return evaluation.success if kind == _EVERYTHING else evaluation.type_success[kind]


def _kind_label(evaluation: Evaluation, kind: str) -> str:
    if kind == _EVERYTHING:
        return f"{kind} ({len(evaluation.tasks)})"
    tasks = evaluation.by_type[kind][1] // evaluation.samples
    mark = "worst: " if kind == evaluation.worst else ""
    return f"{mark}{one_line(kind).replace('_', ' ')} ({tasks})"


def _handle(names: Sequence[str], mode: str, i: int) -> Line2D:
    label = mode if len(names) == 1 else one_line(f"{_short(names[i])}, {mode}")
    inside = "white" if mode == "sampled" else _COLOURS[i]
    look: dict[str, Any] = {"marker": _MARKERS[mode], "ls": _line(mode), "lw": 1, "ms": 5}
    return Line2D([], [], color=_COLOURS[i], mfc=inside, label=label, **look)


def _line(mode: str) -> str:
    return ":" if mode == "sampled" else "-"


def _title(measurement: Measurement, first: Evaluation) -> str:
    who = " against ".join(_short(name) for name in measurement.names)
    return one_line(
        f"{who} on {measurement.plan.env_id}, {first.panel_name}, panel {first.panel[:8]}"
    )


def _short(name: str, longest: int = 34) -> str:
    return name if len(name) <= longest else f"…{name[1 - longest :]}"
