"""The learning curve of a run, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from anchorgym.envs.texts import one_line
from anchorgym.training.evaluation.figures import named_panel
from anchorgym.training.run.reading import read_metrics

_BLUE, _ORANGE, _GREY = "#2563a8", "#d9730d", "#8a8f98"


def draw_curve(metrics: Path, picture: Path, title: str) -> None:
    """Draw `metrics.jsonl` of a run as a PNG.

    The left panel shows the loss of cloning, if there was any. The right panel shows success in
    training episodes, and greedy success on the validation and test panels.
    """
    with rc_context({"text.parse_math": False}):  # names of worlds are no formulas
        _figure(metrics, title).savefig(picture)


def _figure(metrics: Path, title: str) -> Figure:
    records = read_metrics(metrics)
    clone = [r for r in records if r["phase"] == "clone"]
    steps = [r for r in records if r["phase"] == "train"]
    ends = [r for r in records if r["phase"] in ("before", "after") and r["mode"] == "greedy"]
    points = [r for r in records if r["phase"] == "validate"]

    figure = Figure(figsize=(10 if clone else 6, 4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    *before, right = figure.subplots(1, 2 if clone else 1, squeeze=False)[0]
    for left in before:
        _lines(left, [r["update"] for r in clone], clone)
        left.set(title="Cloning", xlabel="update", ylabel="loss per token", yscale="log")
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        left.yaxis.set_minor_formatter(NullFormatter())

    x = [r["iteration"] for r in steps]
    success = [r["success"] for r in steps]
    right.plot(x, success, color=_GREY, alpha=0.45, lw=1)
    right.plot(x, _smooth(success), color=_GREY, lw=2, label="training episodes (sampled)")
    _points(right, [p["iteration"] for p in points], points, _BLUE, "o-")
    # The test panel is evaluated twice: at the start and at the end.
    _points(right, [0, x[-1] if x else 0][: len(ends)], ends, _ORANGE, "s:")
    right.set(title=one_line(title), xlabel="iteration", ylabel="success", ylim=(-0.03, 1.03))
    right.legend(frameon=False, loc="lower right")
    for axis in (*before, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _points(
    axis: Any, x: list[int], records: list[dict[str, Any]], colour: str, style: str
) -> None:
    if not records:
        return
    mean = [r["success"]["mean"] for r in records]
    low = [m - r["success"]["low"] for m, r in zip(mean, records, strict=True)]
    high = [r["success"]["high"] - m for m, r in zip(mean, records, strict=True)]
    panel = named_panel(
        one_line(records[0]["split"]), training_tasks=bool(records[0].get("training_tasks"))
    )
    label = f"{panel}, greedy, 95 % interval"
    look = {"ms": 4, "capsize": 3, "alpha": 0.85}
    axis.errorbar(x, mean, yerr=[low, high], color=colour, fmt=style, label=label, **look)


def _lines(axis: Any, x: list[int], clone: list[dict[str, Any]]) -> None:
    for key, colour, label in (
        ("action_loss", _ORANGE, "teacher's actions"),
        ("observation_loss", _GREY, "what is read"),
    ):
        values = [r[key] for r in clone]
        axis.plot(x, _smooth(values, 0.9), color=colour, lw=1.5, label=label)
    axis.legend(frameon=False)


def _smooth(values: list[float], keep: float = 0.7) -> list[float]:
    out: list[float] = []
    for value in values:
        out.append(value if not out else keep * out[-1] + (1 - keep) * value)
    return out
