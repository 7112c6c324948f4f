"""Training rows as padded or packed tensors, and masks of allowed tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anchorgym.training.learning.rows import TokenRow

LENGTH_STEP = 16
"""Rows are padded to a multiple of this length, as kernels are prepared anew for each shape."""


def padded_length(length: int) -> int:
    """Return a length, rounded up to a multiple of `LENGTH_STEP`."""
    return -(-length // LENGTH_STEP) * LENGTH_STEP


def pad_rows(rows: Sequence[Sequence[Any]], dtype: torch.dtype, fill: float = 0) -> Tensor:
    """Stack rows into (n_rows, length), padded with `fill` at the end.

    The length is that of the longest row, rounded up by `padded_length`.
    """
    out = torch.full((len(rows), padded_length(max(map(len, rows)))), fill, dtype=dtype)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row, dtype=dtype)
    return out


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Training rows as tensors on a device: one row a line, or all rows in one line.

    Attributes:
        ids: (n_lines, length) tokens, padded at the end.
        written: (n_lines, length - 1) True where the next token was sampled.
        lengths: lengths of the rows that share the line, with its padding as a last row; None for
            one row a line. Rows of a line do not attend to each other.
    """

    ids: Tensor
    written: Tensor
    lengths: tuple[int, ...] | None = None

    @classmethod
    def of(cls, rows: Sequence[TokenRow], *, packed: bool = False) -> TokenBatch:
        """Make a batch of rows, whose written tokens come in the order of the rows."""
        if not packed:
            ids = pad_rows([row.tokens for row in rows], torch.long)
            return cls(ids, pad_rows([row.written for row in rows], torch.bool)[:, 1:])
        ids = pad_rows([[token for row in rows for token in row.tokens]], torch.long)
        # A row's first token must not be predicted from the last token of the row before it.
        written = [flag for row in rows for flag in (False, *row.written[1:])]
        lengths = [len(row) for row in rows]
        padding = ids.shape[1] - sum(lengths)
        if padding:
            lengths.append(padding)
        return cls(ids, pad_rows([written], torch.bool)[:, 1:], tuple(lengths))

    def to(self, device: torch.device) -> TokenBatch:
        """Return the batch on another device."""
        return TokenBatch(self.ids.to(device), self.written.to(device), self.lengths)


def choice_mask(rows: Sequence[TokenRow], n_tokens: int) -> Tensor | None:
    """Return a mask of the allowed tokens at each written token, (n_written, n_tokens).

    The result is None if every token was unconstrained.
    """
    allowed = [tokens for row in rows for tokens in row.allowed]
    if not any(allowed):
        return None
    mask = torch.zeros(len(allowed), n_tokens, dtype=torch.bool)
    for i, tokens in enumerate(allowed):
        mask[i, list(tokens) if tokens else slice(None)] = True
    return mask
