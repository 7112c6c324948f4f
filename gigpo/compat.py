"""The numbers of verl-agent, quirks included, for comparing runs with published ones.

Where it differs from our defaults:

- the mean and deviation of episode scores are taken over rows; a penalty lowers the score of the
  one row that was invalid; a group of one row keeps its raw score as advantage;
- rows repeated to fill a batch count as often as they occur, in every statistic;
- the penalty is subtracted from an invalid turn's return, and earlier turns do not see it;
- anchors are compared as Python compares flattened values: `1 == True == 1.0`, a 2 x 2 array
  equals the vector of its entries, and None is not an anchor;
- similar texts join the first cluster whose first member `difflib` finds close enough;
- sums are taken in float32, so groups of equal values can get noise of up to unit size.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from anchorgym.gigpo.anchors import by_first_appearance, text_column
from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.errors import BatchError, IdTypeError
from anchorgym.gigpo.ids import first_rows, pair_codes
from anchorgym.gigpo.normalization import EPSILON, Norm

Float32Array = npt.NDArray[np.float32]

# Its sums run over this many lanes, the width of the vector registers of common machines.
_LANES = 8


def episode_advantages(
    batch: TurnBatch, norm: Norm, invalid_penalty: float, per_turn: bool = True
) -> FloatArray:
    """Episode advantages, `(n_turns,)`; `per_turn=False` takes statistics over first rows."""
    _reject_forks(batch)
    original = _originals(batch)
    total = np.bincount(batch.trajectory, batch.paid * original, batch.n_trajectories)
    score = (total[batch.trajectory] - invalid_penalty * ~batch.valid).astype(np.float32)
    sample = np.ones(len(batch), np.bool_)
    if not per_turn:
        sample[:] = False
        codes = np.unique(batch.trajectory, return_inverse=True)[1]
        sample[first_rows(codes, int(codes.max(initial=-1)) + 1)] = True
    return _standardise(score, batch.group, sample, norm, lone_mean=False)


def step_advantages(
    batch: TurnBatch,
    gamma: float,
    norm: Norm,
    invalid_penalty: float,
    similarity: float | None,
) -> FloatArray:
    """Step advantages, `(n_turns,)`."""
    _reject_forks(batch)
    returns = batch.returns if batch.returns is not None else _returns(batch, gamma)
    lowered = (returns - invalid_penalty * ~batch.valid).astype(np.float32)
    groups = step_groups(batch, similarity)
    return _standardise(lowered, groups, np.ones(len(batch), np.bool_), norm, lone_mean=True)


def step_groups(batch: TurnBatch, similarity: float | None = None) -> IntArray:
    """Step groups, `(n_turns,)`, numbered by first appearance."""
    if similarity is None:
        keys = [_loose_key(anchor) for anchor in batch.anchor_ids]
        code = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        loose = np.fromiter(map(code.__getitem__, keys), np.int64, len(keys))
        groups, _ = pair_codes(batch.group, loose[batch.anchor])
        return by_first_appearance(groups)
    codes, texts = text_column(batch)
    return by_first_appearance(_first_fit(batch.group, codes, texts, similarity))


def _first_fit(
    group: IntArray, codes: IntArray, texts: Sequence[str], threshold: float
) -> IntArray:
    """Clusters in row order: each text joins the first of its group that is close enough."""
    leaders: dict[int, list[int]] = {}
    cluster: dict[int, int] = {}
    for owner, code in zip(group.tolist(), codes.tolist(), strict=True):
        if code in cluster:
            continue
        mine = leaders.setdefault(owner, [])
        for leader in mine:
            matcher = difflib.SequenceMatcher(None, texts[code], texts[leader])
            if matcher.ratio() >= threshold:
                cluster[code] = leader
                break
        else:
            mine.append(code)
            cluster[code] = code
    return np.fromiter(map(cluster.__getitem__, codes.tolist()), np.int64, len(codes))


def _loose_key(value: object) -> Hashable:
    """The anchor as it is compared there: flattened, by Python's equality across types."""
    if value is None:
        raise IdTypeError('None is no anchor under compat="verl-agent": give a string')
    if isinstance(value, (np.ndarray, np.generic)):
        flat = value.ravel().tolist()
        return tuple(flat) if isinstance(value, np.ndarray) else flat[0]
    if isinstance(value, tuple):
        return tuple(map(_loose_key, value))
    return value


def _reject_forks(batch: TurnBatch) -> None:
    if batch.fork.any():
        raise BatchError('compat="verl-agent" knows no forks: drop them, or use compat=None')


def _returns(batch: TurnBatch, gamma: float) -> FloatArray:
    """Returns-to-go in float32, from the last turn to the first; turns may be repeated."""
    codes, rows = _combine(batch.trajectory, batch.turn)
    once = batch.take(rows)
    length = np.bincount(once.trajectory, minlength=once.n_trajectories)
    last = np.cumsum(length) - 1
    reward = once.paid[once.order].astype(np.float32)
    running = np.zeros(len(length), np.float32)
    returns = np.empty(len(once))
    for back in range(int(length.max(initial=0))):
        alive = length > back
        turns = last[alive] - back
        running[alive] = reward[turns] + np.float32(gamma) * running[alive]
        returns[once.order[turns]] = running[alive]
    return returns[codes]


def _originals(batch: TurnBatch) -> BoolArray:
    """True for rows that are no repetition of an earlier one, `(n_turns,)`.

    A repeated row has its original's turn number; where rows were repeated before the batch was
    built, turn numbers are unknown, but the return computed before tells a row from a later visit.
    """
    original = np.zeros(len(batch), np.bool_)
    original[_combine(batch.trajectory, batch.turn)[1]] = True
    if batch.returns is not None:
        columns = (batch.trajectory, batch.anchor, batch.reward, batch.returns)
        first = np.zeros(len(batch), np.bool_)
        first[_combine(*columns)[1]] = True
        original &= first
    return original


def _combine(*columns: IntArray | FloatArray) -> tuple[IntArray, IntArray]:
    """Codes of the distinct combinations, `(n_turns,)`, and the first row of each."""
    codes = np.zeros(len(columns[0]), np.int64)
    rows = codes[:0]
    for column in columns:
        codes, rows = pair_codes(codes, np.unique(column, return_inverse=True)[1])
    return codes, rows


def _standardise(
    values: Float32Array, groups: IntArray, sample: BoolArray, norm: Norm, lone_mean: bool
) -> FloatArray:
    """`(x - mean) / F` in float32, mean and deviation from the rows in `sample`.

    A group of one row has deviation 1, and as mean its own value (`lone_mean`) or 0.
    """
    n_groups = int(groups.max(initial=-1)) + 1
    count = np.bincount(groups[sample], minlength=n_groups)
    mean = _sums(values[sample], groups[sample], n_groups) / np.maximum(count, 1).astype(np.float32)
    if not lone_mean:
        mean[count == 1] = 0.0
    centred = values - mean[groups]
    if norm == "mean":
        return centred.astype(np.float64)
    squares = centred[sample].astype(np.float64) ** 2
    variance = np.bincount(groups[sample], squares, n_groups) / np.maximum(count - 1, 1)
    deviation = np.where(count == 1, 1.0, np.sqrt(variance)).astype(np.float32)
    scaled: Float32Array = centred / (deviation + np.float32(EPSILON))[groups]
    return scaled.astype(np.float64)


def _sums(values: Float32Array, groups: IntArray, n_groups: int) -> Float32Array:
    """Sum of each group in float32: the odd ones out first, then lane by lane.

    Rounding depends on the order of additions, and with equal values the rounding of the mean is
    all that is left. This is the order of a vectorised sum over fewer than 32 values.
    """
    count = np.bincount(groups, minlength=n_groups)
    order = np.argsort(groups, kind="stable")
    values, groups = values[order], groups[order]
    position = np.arange(len(values)) - (np.cumsum(count) - count)[groups]
    body = position < (count - count % _LANES)[groups]
    total = np.zeros(n_groups, np.float32)
    np.add.at(total, groups[~body], values[~body])
    lanes = np.zeros((_LANES, n_groups), np.float32)
    np.add.at(lanes, (position[body] % _LANES, groups[body]), values[body])
    for lane in lanes:
        total += lane
    return total
