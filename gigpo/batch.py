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
from anchorgym.gigpo.columns import TextColumns, TokenColumns
from anchorgym.gigpo.errors import RepeatedTurnError
from anchorgym.gigpo.rows import (
    booleans,
    check_length,
    finite,
    id_codes,
    kind_codes,
    text_codes,
    turn_numbers,
)

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
            turn: integers that order a trajectory's turns; by default its rows are in turn order.
            text: what similarity compares in place of the anchors.
            fork: rows of trajectories that begin at a fork; none of them by default.
            truncated: rows of trajectories that were cut by a limit, or their last rows alone;
                none of them by default.
            parent: the trajectory that a fork left, in each of the fork's rows, and None in the
                rows of others; such rows are forks without saying so in `fork`. Turns of forks
                go on with their parent's numbers, so `turn` is needed too.
            role: which role an agent played, the same in all rows of a trajectory.
            kind: what the turn's action does, such as "take".
            tokens, texts: the responses' tokens, and the observations and actions, row by row.

        Raises:
            BatchError: the columns do not fit; the subclass says how, the message what to do.
        """
        keys = {"group": group, "trajectory": trajectory, "anchor": anchor}
        ids = id_codes(keys, fork, parent, role)
        n_turns, n_trajectories = len(ids["group"]), len(ids["trajectory_group"])
        if tokens is not None:
            check_length("tokens", len(tokens.lengths), n_turns)
        if texts is not None:
            check_length("texts", len(texts), n_turns)
        batch = cls(
            **ids,
            **text_codes(text, ids["group"]),
            turn=turn_numbers(turn, ids["trajectory"], n_trajectories),
            reward=finite("reward", reward, n_turns),
            valid=booleans("valid", valid, n_turns, default=True),
            truncated=None if truncated is None else booleans("truncated", truncated, n_turns),
            kind=kind_codes(kind, n_turns),
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
            returns=finite("returns", returns, len(self)),
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
