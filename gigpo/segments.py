"""Trajectories cut where the value of a state is known, and trees of forks."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.errors import MissingForksError, UnknownParentError
from anchorgym.gigpo.ids import pair_codes


def segment_advantages(
    batch: TurnBatch, togo: FloatArray, cut: BoolArray, value: FloatArray
) -> FloatArray:
    """What each segment earned and gained: `rewards + V(end) - V(start)`, `(n_turns,)`.

    All turns of a segment, which reaches from a cut to the turn before the next, share it. After a
    trajectory's last turn the value is 0.

    Args:
        batch: the turns.
        togo: `(n_turns,)` undiscounted return-to-go.
        cut: `(n_turns,)` True where a segment begins: in every trajectory's first turn at least.
        value: `(n_turns,)` of the state in which a turn was taken; read at cuts alone.
    """
    cuts = batch.order[cut[batch.order]]
    # Rewards between two cuts are a difference of returns-to-go, so surprises telescope.
    surprise = togo[cuts] - value[cuts]
    last = np.diff(batch.trajectory[cuts], append=-1) != 0
    following = np.where(last, 0.0, np.roll(surprise, -1))
    segment = np.cumsum(cut[batch.order]) - 1
    result = np.empty(len(batch))
    result[batch.order] = (surprise - following)[segment] if len(cuts) else 0.0
    return result


def first_turns(batch: TurnBatch) -> IntArray:
    """Row of the first turn of each trajectory that has rows, `(n_present,)`."""
    rows: IntArray = batch.order[np.diff(batch.trajectory[batch.order], prepend=-1) != 0]
    return rows


def anchor_values(batch: TurnBatch, togo: FloatArray) -> tuple[FloatArray, IntArray]:
    """Mean return from each turn's anchor, and over how many trajectories, `(n_turns,)` each.

    A trajectory that comes by again counts with its first visit.
    """
    ordered = batch.order
    _, first = pair_codes(batch.anchor[ordered], batch.trajectory[ordered])
    visits = ordered[first]
    count = np.bincount(batch.anchor[visits], minlength=int(batch.anchor.max(initial=-1)) + 1)
    total = np.bincount(batch.anchor[visits], togo[visits], len(count))
    return (total / np.maximum(count, 1))[batch.anchor], count[batch.anchor]


def fork_origins(batch: TurnBatch) -> IntArray:
    """Row in whose state each trajectory began, `(n_trajectories,)`; -1 for those that are no fork.

    Raises:
        MissingForksError: it is not known what forks left.
        UnknownParentError: a fork began at a turn that its parent does not have.
    """
    parents = batch.trajectory_parent
    if parents is None:
        raise MissingForksError(
            "the batch does not say what forks left: give parent=[...] to TurnBatch.from_rows, "
            'or use mode="chain" and values="anchors", which need no forks'
        )
    begins = first_turns(batch)
    origin = np.full(batch.n_trajectories, -1, np.int64)
    low = int(batch.turn.min())
    width = int(batch.turn.max()) - low + 1
    key = (batch.trajectory * width + batch.turn - low)[batch.order]
    forks = begins[parents[batch.trajectory[begins]] >= 0]
    wanted = parents[batch.trajectory[forks]] * width + batch.turn[forks] - low
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    lost = np.flatnonzero(key[place] != wanted)
    if len(lost):
        row = int(forks[lost[0]])
        raise UnknownParentError(
            f"row {row} begins a fork at turn {batch.turn[row]}, which its parent does not have: "
            "a fork's turns go on with the numbers of the trajectory that it left"
        )
    origin[batch.trajectory[forks]] = batch.order[place]
    return origin


def parents_first(batch: TurnBatch, origin: IntArray) -> list[int]:
    """Trajectories, each after the one that it left, given their `fork_origins`."""
    parent = np.where(origin >= 0, batch.trajectory[origin], -1)
    left: dict[int, list[int]] = defaultdict(list)
    for trajectory, of in enumerate(parent.tolist()):
        left[of].append(trajectory)
    found = left[-1]
    for trajectory in found:  # grows while it is read
        found += left.get(trajectory, [])
    return found


def sampled_values(batch: TurnBatch, togo: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Rows in whose states forks began, and the mean return of those forks, `(n_turns,)` each."""
    origin = fork_origins(batch)[batch.trajectory[first_turns(batch)]]
    begins = first_turns(batch)[origin >= 0]
    origin = origin[origin >= 0]
    count = np.bincount(origin, minlength=len(batch))
    return count > 0, np.bincount(origin, togo[begins], len(batch)) / np.maximum(count, 1)


def tree_values(batch: TurnBatch, togo: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Where the branches of trees begin, and the values of the nodes there, `(n_turns,)` each.

    A node is a state that was left more than once: by the trajectory that came by, and by the forks
    that began in it. Its value is the mean over these branches, which is the mean over its leaves
    where branching is even, and is not moved by where forks were chosen. The roots of a group are
    the branches of one node.
    """
    origin = fork_origins(batch)
    begins = np.full(batch.n_trajectories, -1, np.int64)
    begins[batch.trajectory[first_turns(batch)]] = first_turns(batch)
    forks_at: dict[int, list[int]] = defaultdict(list)
    for fork in np.flatnonzero(origin >= 0).tolist():
        forks_at[int(origin[fork])].append(fork)
    cuts: dict[int, list[int]] = defaultdict(list)
    for row in sorted(forks_at, key=lambda row: int(batch.turn[row])):
        cuts[int(batch.trajectory[row])].append(row)
    value = np.zeros(len(batch))
    branch = np.where(begins >= 0, togo[begins], 0.0)
    for trajectory in reversed(parents_first(batch, origin)):
        surprise = 0.0
        for row in reversed(cuts.get(trajectory, [])):
            branches = [togo[row] - surprise, *(branch[fork] for fork in forks_at[row])]
            value[row] = np.mean(branches)
            surprise = togo[row] - value[row]
        branch[trajectory] -= surprise
    cut = np.zeros(len(batch), np.bool_)
    cut[list(forks_at)] = True
    _start(batch, begins, origin, branch, cut, value)
    return cut, value


def _start(
    batch: TurnBatch,
    begins: IntArray,
    origin: IntArray,
    branch: FloatArray,
    cut: BoolArray,
    value: FloatArray,
) -> None:
    """Mark each trajectory's first turn, and give it the value of the node that it leaves."""
    roots = np.flatnonzero((begins >= 0) & (origin < 0))
    owner = batch.trajectory_group[roots]
    total = np.bincount(owner, branch[roots], batch.n_groups)
    mean = total / np.maximum(np.bincount(owner, minlength=batch.n_groups), 1)
    for rows, values in (
        (begins[roots], mean[owner]),
        (begins[origin >= 0], value[origin[origin >= 0]]),
    ):
        fresh = ~cut[rows]
        value[rows[fresh]] = values[fresh]
        cut[rows] = True
