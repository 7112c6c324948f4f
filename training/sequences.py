"""Rows of different lengths as padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

LENGTH_STEP = 16
"""Rows are padded to a multiple of this: kernels are prepared anew for each shape they meet."""


def pad_rows(rows: Sequence[Sequence[Any]], dtype: torch.dtype, fill: float = 0) -> Tensor:
    """Stack rows into (n_rows, length), padded with `fill` at the end.

    The length is that of the longest row, rounded up to a multiple of `LENGTH_STEP`.
    """
    length = -(-max(map(len, rows)) // LENGTH_STEP) * LENGTH_STEP
    out = torch.full((len(rows), length), fill, dtype=dtype)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row, dtype=dtype)
    return out
