"""Centring and scaling inside groups, in numbers that stay finite."""

from __future__ import annotations

from typing import Literal

import numpy as np

from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray

Norm = Literal["mean", "mean_std"]

# What GiGPO's and GRPO's published code adds to the standard deviation.
EPSILON = 1e-6
# A spread this much smaller than the group's largest value is rounding, not a difference.
SPREAD_TOLERANCE = 1e-9


def standardise(
    values: FloatArray,
    groups: IntArray,
    *,
    norm: Norm = "mean_std",
    tolerance: float = SPREAD_TOLERANCE,
) -> FloatArray:
    """`(x - mean) / F` inside each group, `(n,)`; the sum over a group is zero.

    F is 1 for `norm="mean"` and `std + 1e-6` for `norm="mean_std"`, the deviation being the
    unbiased one (n - 1). Groups of one, and groups whose values differ by no more than
    `tolerance` times their largest magnitude, give exactly 0.
    """
    count = np.bincount(groups)
    n_groups = len(count)
    scale = _powers_of_two(_largest(np.abs(values), groups, n_groups))
    unit = values / scale[groups]
    mean = np.bincount(groups, unit, n_groups) / np.maximum(count, 1)
    centred = unit - mean[groups]
    flat = _largest(np.abs(centred), groups, n_groups) <= max(tolerance, SPREAD_TOLERANCE)
    centred[(flat | (count < 2))[groups]] = 0.0
    if norm == "mean":
        return centred * scale[groups]
    variance = np.bincount(groups, centred * centred, n_groups) / np.maximum(count - 1, 1)
    with np.errstate(over="ignore"):  # 1e-6 over a denormal scale is infinite: the quotient is 0
        factor = np.sqrt(variance) + EPSILON / scale
    return centred / factor[groups]


def weighted_standardise(values: FloatArray, groups: IntArray, weights: FloatArray) -> FloatArray:
    """`(x - mean) / (std + 1e-6)` where each value counts `weights` times in its group, `(n,)`.

    The deviation is that of the whole group, not of a sample. Groups without spread, or of which
    only one value has weight, give exactly 0.
    """
    n_groups = int(groups.max(initial=-1)) + 1
    weight = np.maximum(np.bincount(groups, weights, n_groups), np.finfo(np.float64).tiny)
    scale = _powers_of_two(_largest(np.abs(values) * (weights > 0), groups, n_groups))
    unit = np.where(weights > 0, values / scale[groups], 0.0)
    centred = unit - (np.bincount(groups, weights * unit, n_groups) / weight)[groups]
    centred[weights <= 0] = 0.0
    flat = _largest(np.abs(centred), groups, n_groups) <= SPREAD_TOLERANCE
    centred[flat[groups]] = 0.0
    variance = np.bincount(groups, weights * centred * centred, n_groups) / weight
    with np.errstate(over="ignore"):  # as above
        return centred / (np.sqrt(variance) + EPSILON / scale)[groups]


def group_spread(values: FloatArray, groups: IntArray, n_groups: int) -> BoolArray:
    """Which groups have values that differ by more than rounding, `(n_groups,)`."""
    apart = standardise(values, groups, norm="mean") != 0
    return np.bincount(groups[apart], minlength=n_groups) > 0


def _largest(values: FloatArray, groups: IntArray, n_groups: int) -> FloatArray:
    largest = np.zeros(n_groups)
    np.maximum.at(largest, groups, values)
    return largest


def _powers_of_two(magnitude: FloatArray) -> FloatArray:
    """A power of two near each magnitude: dividing by it is exact, and squares cannot overflow."""
    _, exponent = np.frexp(magnitude)
    return np.ldexp(1.0, exponent)
