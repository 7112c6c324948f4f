"""Columns of a batch out of rows of any kind: ids become integers, values are checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from anchorgym.gigpo.arrays import LARGEST, BoolArray, FloatArray, IntArray
from anchorgym.gigpo.errors import (
    ColumnError,
    LengthMismatchError,
    NonFiniteError,
    TextTypeError,
    TrajectoryGroupError,
    UnknownParentError,
)
from anchorgym.gigpo.ids import as_list, factorise, first_rows, pair_codes, typed_key


class IdCodes(TypedDict):
    """The columns of `TurnBatch` that say which rows belong together."""

    group: IntArray
    trajectory: IntArray
    anchor: IntArray
    anchor_ids: tuple[object, ...]
    fork: BoolArray
    trajectory_group: IntArray
    trajectory_fork: BoolArray
    trajectory_parent: IntArray | None
    role: IntArray | None
    role_ids: tuple[object, ...]


class TextCodes(TypedDict):
    """The columns of `TurnBatch` with the texts that similarity compares."""

    text: IntArray | None
    text_ids: tuple[str, ...]


def id_codes(
    ids: Mapping[str, Iterable[object]],
    fork: npt.ArrayLike | None,
    parent: Iterable[object] | None,
    role: Iterable[object] | None,
) -> IdCodes:
    """Number the groups, trajectories and anchors of rows, and their forks, parents and roles.

    Args:
        ids: the columns `group`, `trajectory` and `anchor`, `(n_turns,)` each.
        fork, parent, role: as for `TurnBatch.from_rows`.

    Raises:
        BatchError: the columns do not fit; the subclass says how, the message what to do.
    """
    lists = {name: as_list(column) for name, column in ids.items()}
    n_turns = len(lists["group"])
    for name, values in lists.items():
        check_length(name, len(values), n_turns)
    groups, _ = factorise(lists["group"])
    trajectories, names = factorise(lists["trajectory"])
    parents = None if parent is None else _parents(as_list(parent), names, n_turns)
    forks = booleans("fork", fork, n_turns, default=False)
    if parents is not None:
        forks |= parents >= 0
    roles, role_ids = (None, []) if role is None else factorise(as_list(role))
    starts = first_rows(trajectories, len(names))
    constant = {"group": groups, "fork": forks, "parent": parents, "role": roles}
    for name, codes in constant.items():
        if codes is not None:
            check_length(name, len(codes), n_turns)
            _check_constant(name, codes, starts, trajectories, names)
    anchors, anchor_ids = _within_groups(groups, lists["anchor"])
    return {
        "group": groups,
        "trajectory": trajectories,
        "anchor": anchors,
        "anchor_ids": tuple(anchor_ids),
        "fork": forks,
        "trajectory_group": groups[starts],
        "trajectory_fork": forks[starts],
        "trajectory_parent": None if parents is None else parents[starts],
        "role": roles,
        "role_ids": tuple(role_ids),
    }


def text_codes(text: Iterable[str] | None, groups: IntArray) -> TextCodes:
    """Number the texts of each group's rows, `(n_turns,)`; None has no codes.

    Raises:
        LengthMismatchError: there is another number of values than of turns.
        TextTypeError: one of them is not a string.
    """
    if text is None:
        return {"text": None, "text_ids": ()}
    codes, ids = _within_groups(groups, _strings(as_list(text), len(groups)))
    return {"text": codes, "text_ids": tuple(map(str, ids))}


def kind_codes(kind: Iterable[object] | None, n_turns: int) -> IntArray | None:
    """Number the kinds of actions, `(n_turns,)`; None has no codes.

    Raises:
        LengthMismatchError: there is another number of values than of turns.
    """
    if kind is None:
        return None
    kinds = as_list(kind)
    check_length("kind", len(kinds), n_turns)
    return factorise(kinds)[0]


def check_length(name: str, length: int, n_turns: int) -> None:
    """Raise `LengthMismatchError` unless a column has one value a turn."""
    if length != n_turns:
        raise LengthMismatchError(
            f"{name} has {length} rows and group has {n_turns}: give one value a turn in each"
        )


def _check_constant(
    name: str,
    column: IntArray | BoolArray,
    starts: IntArray,
    trajectories: IntArray,
    names: list[object],
) -> None:
    changed = np.flatnonzero(column != column[starts][trajectories])
    if len(changed):
        row = int(changed[0])
        raise TrajectoryGroupError(
            f"trajectory {names[trajectories[row]]!r} has two values of {name}, in rows "
            f"{starts[trajectories[row]]} and {row}: a trajectory belongs to one group and is a "
            "fork as a whole, so make its id unique in the batch, e.g. (group, trajectory)"
        )


def _parents(parents: list[object], names: list[object], n_turns: int) -> IntArray:
    """Trajectory code of each row's parent, `(n_turns,)`; -1 where there is none."""
    check_length("parent", len(parents), n_turns)
    code = {typed_key(name): n for n, name in enumerate(names)}
    codes = np.full(n_turns, -1, np.int64)
    for row, parent in enumerate(parents):
        if parent is not None:
            codes[row] = code.get(typed_key(parent), -2)
    lost = np.flatnonzero(codes == -2)
    if len(lost):
        raise UnknownParentError(
            f"parent[{lost[0]}] is {parents[lost[0]]!r}, and no trajectory of the batch has that "
            "id: give the rows of the parent too"
        )
    return codes


def _within_groups(groups: IntArray, ids: list[object]) -> tuple[IntArray, list[object]]:
    codes, _ = factorise(ids)
    pairs, rows = pair_codes(groups, codes)
    return pairs, [ids[row] for row in rows]


def _strings(text: list[object], n_turns: int) -> list[object]:
    check_length("text", len(text), n_turns)
    for row, value in enumerate(text):
        if not isinstance(value, str):
            raise TextTypeError(
                f"text[{row}] is {type(value).__name__}: decode it, similarity compares strings"
            )
    return text


def _column(name: str, values: npt.ArrayLike, n_turns: int) -> npt.NDArray[np.generic]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise LengthMismatchError(f"{name} has shape {array.shape}: give shape ({n_turns},)")
    check_length(name, len(array), n_turns)
    return array


def finite(name: str, values: npt.ArrayLike, n_turns: int) -> FloatArray:
    """Return a column of numbers as float64, `(n_turns,)`.

    Raises:
        LengthMismatchError: it has another shape.
        ColumnError: it does not hold real numbers.
        NonFiniteError: one of them is NaN, infinite, or larger than `LARGEST`.
    """
    array = _column(name, values, n_turns)
    if array.dtype.kind not in "fiub":
        raise ColumnError(f"{name} has dtype {array.dtype}: give real numbers")
    numbers = array.astype(np.float64)
    wrong = np.flatnonzero(~(np.abs(numbers) <= LARGEST))  # also catches NaN
    if len(wrong):
        row = int(wrong[0])
        raise NonFiniteError(
            f"{name}[{row}] is {numbers[row]}: give finite numbers of at most {LARGEST:g}, or "
            "drop the trajectory"
        )
    return numbers


def booleans(
    name: str, values: npt.ArrayLike | None, n_turns: int, default: bool = False
) -> BoolArray:
    """Return a column of booleans, `(n_turns,)`; None stands for the default in every row.

    Raises:
        LengthMismatchError: it has another shape.
        ColumnError: it holds something else.
    """
    if values is None:
        return np.full(n_turns, default)
    array = _column(name, values, n_turns)
    if len(array) and (array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all()):
        raise ColumnError(f"{name} holds values other than True and False (or 1 and 0)")
    return array.astype(np.bool_)


def turn_numbers(
    turn: npt.ArrayLike | None, trajectories: IntArray, n_trajectories: int
) -> IntArray:
    """Return the number of each row's turn, `(n_turns,)`; None counts a trajectory's rows from 0.

    Raises:
        LengthMismatchError: the numbers have another shape.
        ColumnError: they are not integers.
    """
    n_turns = len(trajectories)
    if turn is not None:
        array = _column("turn", turn, n_turns)
        if len(array) and array.dtype.kind not in "iu":
            raise ColumnError(f"turn has dtype {array.dtype}: give integers")
        return array.astype(np.int64)
    order = np.argsort(trajectories, kind="stable")
    lengths = np.bincount(trajectories, minlength=n_trajectories)
    turns = np.empty(n_turns, np.int64)
    turns[order] = np.arange(n_turns) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return turns
