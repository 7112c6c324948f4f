"""The columnar batch: one row a turn, every id an integer.

It holds what an estimator needs. Of tokens that is their log-probabilities and entropies, and only
for the algorithms that ask for them; the tokens themselves stay with the learner.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray
from anchorgym.gigpo.errors import (
    ColumnError,
    LengthMismatchError,
    NonFiniteError,
    RepeatedTurnError,
    TextTypeError,
    TrajectoryGroupError,
    UnknownParentError,
)
from anchorgym.gigpo.ids import as_list, factorise, first_rows, pair_codes, typed_key
from anchorgym.gigpo.texts import TextColumns
from anchorgym.gigpo.tokens import TokenColumns

# Sums over a million rows of this size are still finite in float64.
LARGEST = 1e300

_ROW_COLUMNS = (
    "group",
    "trajectory",
    "anchor",
    "turn",
    "reward",
    "valid",
    "fork",
    "truncated",
    "text",
    "returns",
    "role",
    "kind",
    "bonus",
)


@dataclass(frozen=True)
class TurnBatch:
    """Turns of trajectories of groups; build it with `from_rows`.

    Attributes:
        group: `(n_turns,)` code of the group: the trajectories rolled out from one task.
        trajectory: `(n_turns,)` code of the trajectory; it belongs to one group.
        anchor: `(n_turns,)` code of (group, anchor): equal codes are turns taken in the same
            state by trajectories of the same group. Anchors never meet across groups.
        turn: `(n_turns,)` orders the turns of a trajectory; gaps mean nothing.
        reward: `(n_turns,)` in the task's own scale, without penalties.
        valid: `(n_turns,)` False where the action was invalid.
        fork: `(n_turns,)` True for turns of a trajectory that was started from a state chosen
            among those reached, not from the task's start. Such turns are compared in step
            groups, but say nothing about how well episodes do.
        trajectory_group: `(n_trajectories,)` code of each trajectory's group.
        trajectory_fork: `(n_trajectories,)` True for forks.
        anchor_ids: the anchor that each code of `anchor` stands for.
        truncated: `(n_turns,)` True in trajectories that were cut by a limit rather than ended
            by their world: in their last turn at least; may be absent.
        text: `(n_turns,)` code of (group, text), for grouping by similarity; may be absent.
        text_ids: the text that each code of `text` stands for.
        returns: `(n_turns,)` returns-to-go where they were computed before; see `with_returns`.
        returns_tolerance: relative size below which differences of `returns` are noise.
        trajectory_parent: `(n_trajectories,)` code of the trajectory that a fork left, -1 for
            others. A fork began in the state in which its parent took the turn that has the
            number of the fork's first turn.
        role: `(n_turns,)` code of the role that the trajectory's agent played; may be absent.
        role_ids: the role that each code of `role` stands for.
        kind: `(n_turns,)` code of what the turn's action does; may be absent.
        tokens: log-probabilities and entropies of the responses; may be absent.
        texts: what was read and done; may be absent.
        bonus: `(n_turns,)` what learning pays beside the task, such as for novelty; may be absent.
            It is learnt from, and says nothing of who succeeded. `dataclasses.replace` sets it,
            once there is a batch that `novelty_bonus` can count in.
    """

    group: IntArray
    trajectory: IntArray
    anchor: IntArray
    turn: IntArray
    reward: FloatArray
    valid: BoolArray
    fork: BoolArray
    trajectory_group: IntArray
    trajectory_fork: BoolArray
    anchor_ids: tuple[object, ...]
    text: IntArray | None = None
    text_ids: tuple[str, ...] = ()
    returns: FloatArray | None = None
    returns_tolerance: float = 0.0
    truncated: BoolArray | None = None
    trajectory_parent: IntArray | None = None
    role: IntArray | None = None
    role_ids: tuple[object, ...] = ()
    kind: IntArray | None = None
    tokens: TokenColumns | None = None
    texts: TextColumns | None = None
    bonus: FloatArray | None = None

    @classmethod
    def from_rows(
        cls,
        *,
        group: Iterable[object],
        trajectory: Iterable[object],
        anchor: Iterable[object],
        reward: npt.ArrayLike,
        valid: npt.ArrayLike | None = None,
        turn: npt.ArrayLike | None = None,
        text: Iterable[str] | None = None,
        fork: npt.ArrayLike | None = None,
        truncated: npt.ArrayLike | None = None,
        parent: Iterable[object] | None = None,
        role: Iterable[object] | None = None,
        kind: Iterable[object] | None = None,
        tokens: TokenColumns | None = None,
        texts: TextColumns | None = None,
    ) -> TurnBatch:
        """Build a batch from columns of equal length, `(n_turns,)` each.

        Args:
            group, trajectory, anchor: ids, compared with their type and shape: any hashables, or
                arrays (one array with a row a turn, or a list with an array a turn).
            reward: what the turn's transition paid.
            valid: whether the action was valid; all of them by default.
            turn: integers that order the turns of a trajectory; without it, a trajectory's rows
                are in turn order.
            text: what similarity compares in place of the anchors.
            fork: rows of trajectories that begin at a fork; none of them by default.
            truncated: rows of trajectories that were cut by a limit, or their last rows alone;
                none of them by default.
            parent: the trajectory that a fork left, in each of the fork's rows, and None in the
                rows of others; such rows are forks without saying so in `fork`. Turns of forks
                go on with their parent's numbers, so `turn` is needed too.
            role: which role an agent played, the same in all rows of a trajectory.
            kind: what the turn's action does, such as "take".
            tokens: of the responses, turn by turn in the order of the rows.
            texts: of the observations and actions, in the order of the rows.

        Raises:
            BatchError: the columns do not fit; the subclass says how, the message what to do.
        """
        lists = {"group": as_list(group), "trajectory": as_list(trajectory)}
        lists["anchor"] = as_list(anchor)
        n_turns = len(lists["group"])
        for name, ids in lists.items():
            _check_length(name, len(ids), n_turns)
        groups, _ = factorise(lists["group"])
        trajectories, names = factorise(lists["trajectory"])
        parents = None if parent is None else _parents(as_list(parent), names, n_turns)
        forks = _booleans("fork", fork, n_turns, default=False)
        if parents is not None:
            forks |= parents >= 0
        roles, role_ids = (None, []) if role is None else factorise(as_list(role))
        kinds = None if kind is None else as_list(kind)
        if kinds is not None:
            _check_length("kind", len(kinds), n_turns)
        starts = first_rows(trajectories, len(names))
        constant = {"group": groups, "fork": forks, "parent": parents, "role": roles}
        for name, column in constant.items():
            if column is not None:
                _check_length(name, len(column), n_turns)
                _check_constant(name, column, starts, trajectories, names)
        if tokens is not None:
            _check_length("tokens", len(tokens.lengths), n_turns)
        if texts is not None:
            _check_length("texts", len(texts), n_turns)
        anchors, anchor_ids = _within_groups(groups, lists["anchor"])
        compared = None if text is None else _strings(as_list(text), n_turns)
        text_codes, text_ids = (None, []) if compared is None else _within_groups(groups, compared)
        batch = cls(
            group=groups,
            trajectory=trajectories,
            anchor=anchors,
            turn=_turns(turn, trajectories, len(names)),
            reward=_finite("reward", reward, n_turns),
            valid=_booleans("valid", valid, n_turns, default=True),
            fork=forks,
            trajectory_group=groups[starts],
            trajectory_fork=forks[starts],
            anchor_ids=tuple(anchor_ids),
            text=text_codes,
            text_ids=tuple(map(str, text_ids)),
            truncated=None if truncated is None else _booleans("truncated", truncated, n_turns),
            trajectory_parent=None if parents is None else parents[starts],
            role=roles,
            role_ids=tuple(role_ids),
            kind=None if kinds is None else factorise(kinds)[0],
            tokens=tokens,
            texts=texts,
        )
        batch.require_distinct_turns()
        return batch

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def n_groups(self) -> int:
        """One more than the largest group code."""
        return int(self.trajectory_group.max(initial=-1)) + 1

    @property
    def n_trajectories(self) -> int:
        """One more than the largest trajectory code."""
        return len(self.trajectory_group)

    @property
    def paid(self) -> FloatArray:
        """`(n_turns,)` what is learnt from: `reward` and `bonus`."""
        return self.reward if self.bonus is None else self.reward + self.bonus

    @cached_property
    def order(self) -> IntArray:
        """`(n_turns,)` the rows by trajectory, and by turn inside a trajectory."""
        return np.lexsort((self.turn, self.trajectory)).astype(np.int64, copy=False)

    @cached_property
    def cut(self) -> IntArray:
        """`(n_truncated,)` the last row of each trajectory that was truncated."""
        if self.truncated is None or not len(self):
            return np.empty(0, np.int64)
        ends = np.flatnonzero(np.diff(self.trajectory[self.order], append=-1))
        last = self.order[ends]
        marked = np.bincount(self.trajectory, self.truncated, self.n_trajectories) > 0
        return last[marked[self.trajectory[last]]]

    @cached_property
    def present(self) -> BoolArray:
        """`(n_trajectories,)` True for the trajectories that have rows; `take` may drop some."""
        return np.bincount(self.trajectory, minlength=self.n_trajectories) > 0

    def take(self, rows: npt.ArrayLike) -> TurnBatch:
        """The batch of these rows (indices or mask); codes keep their meaning, rows may repeat."""
        chosen = np.asarray(rows)
        columns = {name: getattr(self, name) for name in _ROW_COLUMNS}
        taken = {k: v[chosen] for k, v in columns.items() if v is not None}
        if self.tokens is not None:
            taken["tokens"] = self.tokens.take(np.arange(len(self))[chosen])
        if self.texts is not None:
            taken["texts"] = self.texts.take(np.arange(len(self))[chosen])
        return replace(self, **taken)

    def with_returns(self, returns: npt.ArrayLike) -> TurnBatch:
        """The same batch with returns-to-go computed before, `(n_turns,)`, free of penalties."""
        dtype = np.asarray(returns).dtype
        precise = dtype.kind != "f" or dtype.itemsize >= 8
        batch = replace(
            self,
            returns=_finite("returns", returns, len(self)),
            # Sums in a narrow type differ by a few units in the last place for equal rewards.
            returns_tolerance=0.0 if precise else 8 * float(np.finfo(dtype).eps),
        )
        if "order" in self.__dict__:
            batch.__dict__["order"] = self.order
        return batch

    def require_distinct_turns(self) -> None:
        """Raise `RepeatedTurnError` if a turn of a trajectory occurs twice."""
        trajectory, turn = self.trajectory[self.order], self.turn[self.order]
        repeated = (trajectory[1:] == trajectory[:-1]) & (turn[1:] == turn[:-1])
        if repeated.any():
            first, second = sorted(self.order[np.argmax(repeated) :][:2].tolist())
            raise RepeatedTurnError(
                f"rows {first} and {second} are the same turn ({turn[np.argmax(repeated)]}) of one "
                "trajectory: number the turns of a trajectory apart, and repeat rows to fill a "
                "mini-batch only after the advantages are computed"
            )


def _check_length(name: str, length: int, n_turns: int) -> None:
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
    _check_length("parent", len(parents), n_turns)
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
    _check_length("text", len(text), n_turns)
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
    _check_length(name, len(array), n_turns)
    return array


def _finite(name: str, values: npt.ArrayLike, n_turns: int) -> FloatArray:
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


def _booleans(
    name: str, values: npt.ArrayLike | None, n_turns: int, default: bool = False
) -> BoolArray:
    if values is None:
        return np.full(n_turns, default)
    array = _column(name, values, n_turns)
    if len(array) and (array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all()):
        raise ColumnError(f"{name} holds values other than True and False (or 1 and 0)")
    return array.astype(np.bool_)


def _turns(turn: npt.ArrayLike | None, trajectories: IntArray, n_trajectories: int) -> IntArray:
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
