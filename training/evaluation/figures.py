"""The results of an evaluation, and their tables."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from anchorgym.training.evaluation.statistics import FloatArray, Interval
from anchorgym.training.run.console import SafeConsole


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The evaluation of a policy on a panel of tasks; `print` shows it as a table."""

    split: str
    panel: str
    """SHA-256 of the panel; equal hashes mean the same tasks."""
    temperature: float
    """Sampling temperature; 0 is greedy."""
    success: Interval
    """Mean success over tasks, with Wilson's interval for one episode a task, else bootstrapped."""
    by_type: dict[str, tuple[int, int]]
    """Number of (won, played) episodes, by task type."""
    turns: float
    """Mean turns of an episode."""
    invalid: float
    """Share of turns with an invalid action."""
    won: tuple[bool, ...]
    """(n_tasks * samples,) whether each episode was won, task by task in panel order."""
    samples: int = 1
    """Number of episodes of each task."""
    env: str = ""
    seed: int = 0
    tasks: tuple[str, ...] = ()
    """(n_tasks,) ids of the tasks, in panel order."""
    task_types: tuple[str, ...] = ()
    """(n_tasks,) types of the tasks, in panel order."""
    split_tasks: int = 0
    """Number of tasks in the whole split."""
    type_success: dict[str, Interval] = field(default_factory=dict)
    """Success with its interval, by task type."""
    pass_at: dict[int, Interval] = field(default_factory=dict)
    """pass@k by k: probability that at least one of k episodes is won; k = 1, 2, 4, … samples."""
    pass_all: dict[int, Interval] = field(default_factory=dict)
    """pass^k by k: probability that all of k episodes of a task are won."""
    turns_won: float | None = None
    """Mean turns of the episodes that were won; None if none was."""
    stops: dict[str, int] = field(default_factory=dict)
    """Number of episodes by stop reason: "terminated", "turns" or "context"."""
    returns: float | None = None
    """Mean score of an episode; None in old files, which do not have it."""
    broken: dict[str, str] = field(default_factory=dict)
    """Why a task could not be started, by its id; these tasks are in no figure."""
    training_tasks: bool = False
    """Whether the tasks are those that policies are trained on, see `training_split`."""

    @property
    def panel_name(self) -> str:
        """Name of the split, with a note if its tasks are training tasks."""
        return named_panel(self.split, training_tasks=self.training_tasks)

    @property
    def worst(self) -> str | None:
        """The task type with the lowest success; None if there are fewer than two types.

        It was selected for being lowest, so its true success is likely a little higher.
        """
        if len(self.type_success) < 2:
            return None
        return min(self.type_success, key=self.rank)

    def rank(self, kind: str) -> tuple[float, float, str]:
        """Return the sort key of a task type: the worst first, then the most certain."""
        success = self.type_success[kind]
        return success.mean, success.high, kind

    @property
    def task_shares(self) -> FloatArray:
        """Share of won episodes of each task, (n_tasks,)."""
        won = np.array(self.won, dtype=np.float64).reshape(-1, self.samples)
        return np.asarray(won.mean(axis=1))

    def __str__(self) -> str:
        return as_text([("", self)])

    def to_json(self) -> dict[str, Any]:
        """Return all fields, and the name of the worst task type, as JSON values."""
        values: dict[str, Any] = {**_json(asdict(self)), "worst": self.worst}
        if not self.broken:
            del values["broken"]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Evaluation:
        """Read what `to_json` returned."""
        known = {name.name: values[name.name] for name in fields(cls) if name.name in values}
        for name in ("won", "tasks", "task_types"):
            known[name] = tuple(known.get(name, ()))
        known["success"] = Interval.from_json(known["success"])
        known["by_type"] = {kind: (won, n) for kind, (won, n) in known["by_type"].items()}
        for name, key in (("type_success", str), ("pass_at", int), ("pass_all", int)):
            known[name] = {key(k): Interval.from_json(v) for k, v in known.get(name, {}).items()}
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One policy's success minus another's, on the same tasks."""

    difference: Interval
    by_type: dict[str, Interval]
    better: int
    """Number of tasks of which the first policy won more episodes."""
    worse: int
    """Number of tasks of which the other policy won more episodes."""
    tasks: int
    p: float
    """Two-sided p-value of the exact sign test; with one episode a task, McNemar's test."""

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return dict(_json(asdict(self)))


def named_panel(split: str, *, training_tasks: bool) -> str:
    """Return the name of a split, with a note if its tasks are training tasks."""
    return f"{split} (training tasks)" if training_tasks else split


Column = tuple[str, Evaluation]
"""Head of a column, and the evaluation that it shows."""

_INTERVAL_WIDTH = len("100.0 [100.0, 100.0]")


def table(
    columns: Sequence[Column], comparison: Comparison | None = None, width: int = 100
) -> Table:
    """Return a table of evaluations on one panel, side by side.

    Args:
        columns: one or more columns.
        comparison: comparison of the first evaluation with the second, as a further column.
        width: available width, in characters.
    """
    n_intervals = len(columns) + (comparison is not None)
    broken = width < 30 + n_intervals * (_INTERVAL_WIDTH + 4)
    found = [evaluation for _, evaluation in columns]
    out = Table(box=box.SIMPLE_HEAD, padding=(0, 1), title_justify="left", caption_justify="left")
    out.title = f"{found[0].env}, {_panel(found[0])}".removeprefix(", ")
    out.add_column("success in %", min_width=18, overflow="ellipsis")
    out.add_column("tasks", justify="right", min_width=5)
    needed = _INTERVAL_WIDTH - 6 if broken else _INTERVAL_WIDTH
    for name, evaluation in columns:
        heading = f"{name}\n{_how(evaluation)}".lstrip("\n")
        out.add_column(heading, min_width=needed, overflow="fold")
    if comparison is not None:
        out.add_column("difference\npaired", min_width=needed + 1)
    for rows in (
        _success_rows(found, comparison),
        _type_rows(found, comparison),
        _pass_rows(found),
    ):
        for label, tasks, *cells in rows:
            cells = [cell.replace(" [", "\n[") if broken else cell for cell in cells]
            out.add_row(label, tasks, *cells, style="" if label[0] in " p" else "bold")
        out.add_section()
    for label, show in _PLAIN_ROWS:
        out.add_row(label, "", *(show(evaluation) for evaluation in found))
    out.caption = _caption(found, comparison)
    return out


def as_text(
    columns: Sequence[Column], comparison: Comparison | None = None, width: int = 100
) -> str:
    """Return the table as plain text."""
    console = SafeConsole(file=io.StringIO(), width=width, color_system=None)
    console.print(table(columns, comparison, width), highlight=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


_Rows = Iterator[tuple[str, ...]]
"""Rows of a table: label, number of tasks, and a cell for each column."""


def _success_rows(found: Sequence[Evaluation], comparison: Comparison | None) -> _Rows:
    difference = [comparison.difference.signed()] if comparison else []
    tasks = str(len(found[0].task_shares))
    yield "all tasks", tasks, *(str(evaluation.success) for evaluation in found), *difference
    if any(evaluation.worst is not None for evaluation in found):
        yield "worst type", "", *(_worst(evaluation) for evaluation in found)


def _type_rows(found: Sequence[Evaluation], comparison: Comparison | None) -> _Rows:
    for kind in filter(None, found[0].type_success):
        gain = comparison.by_type.get(kind) if comparison else None
        difference = [gain.signed() if gain else ""] if comparison else []
        tasks = str(found[0].by_type[kind][1] // found[0].samples)
        yield f"  {kind}", tasks, *(_of_type(evaluation, kind) for evaluation in found), *difference


def _pass_rows(found: Sequence[Evaluation]) -> _Rows:
    """Yield rows of pass@k and pass^k, if tasks were played more than once."""
    ks = sorted({k for evaluation in found for k in evaluation.pass_at if k > 1})
    for label, part in (("pass@", "pass_at"), ("pass^", "pass_all")):
        for k in ks:
            cells = (getattr(evaluation, part).get(k) for evaluation in found)
            yield f"{label}{k}", "", *("" if cell is None else str(cell) for cell in cells)


def _returns(evaluation: Evaluation) -> str:
    return "" if evaluation.returns is None else f"{evaluation.returns:.3f}"


def _turns_won(evaluation: Evaluation) -> str:
    return "" if evaluation.turns_won is None else f"{evaluation.turns_won:.1f}"


def _stops(evaluation: Evaluation) -> str:
    return ", ".join(f"{stop or 'unknown'} {n}" for stop, n in evaluation.stops.items())


_PLAIN_ROWS: tuple[tuple[str, Callable[[Evaluation], str]], ...] = (
    ("rewards an episode", _returns),
    ("turns an episode", lambda e: f"{e.turns:.1f}"),
    ("turns of those won", _turns_won),
    ("invalid actions", lambda e: f"{100 * e.invalid:.1f} %"),
    ("episodes ended by", _stops),
)


def _caption(found: Sequence[Evaluation], comparison: Comparison | None) -> str:
    ways = {e.samples == 1: "Wilson's" if e.samples == 1 else "tasks resampled" for e in found}
    how = " / ".join(ways.values())
    lines = [f"95 % intervals ({how}); panel {found[0].panel[:12]}"]
    broken = {task for evaluation in found for task in evaluation.broken}
    if broken:
        lines.append(f"{len(broken)} tasks that could not be started are left out")
    if comparison is not None:
        each = all(e.samples == 1 for e in found)
        only = "won by the first alone" if each else "won more often by the first"
        lines.append(
            f"{comparison.better} of {comparison.tasks} tasks {only},\n{comparison.worse} by the "
            f"second: p = {comparison.p:.3g} (exact sign test)"
        )
    return "\n".join(lines)


def _panel(evaluation: Evaluation) -> str:
    n, whole = len(evaluation.task_shares), evaluation.split_tasks
    part = f"{n} of {whole} tasks" if n < whole else f"{n} tasks"
    return f"{evaluation.panel_name}: {part}"


def _how(evaluation: Evaluation) -> str:
    how = "greedy" if evaluation.temperature == 0 else f"sampled at {evaluation.temperature:g}"
    return how if evaluation.samples == 1 else f"{how}, {evaluation.samples} times"


def _worst(evaluation: Evaluation) -> str:
    kind = evaluation.worst
    return "" if kind is None else f"{evaluation.type_success[kind]}\n{kind}"


def _of_type(evaluation: Evaluation, kind: str) -> str:
    success: Interval | None = evaluation.type_success.get(kind)
    return "" if success is None else str(success)


def _json(value: Any) -> Any:
    """Return a value with lists for tuples and text for keys, as JSON returns it."""
    if isinstance(value, dict):
        return {str(key): _json(inner) for key, inner in value.items()}
    return [_json(inner) for inner in value] if isinstance(value, list | tuple) else value
