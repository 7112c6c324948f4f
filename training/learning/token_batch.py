"""Training rows as padded or packed tensors, with masks of attention and of allowed tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anchorgym.training.learning.rows import TokenRow

LENGTH_STEP = 16
"""Rows are padded to a multiple of this length, as kernels are prepared anew for each shape."""


def pad_rows(rows: Sequence[Sequence[Any]], dtype: torch.dtype, fill: float = 0) -> Tensor:
    """Stack rows into (n_rows, length), padded with `fill` at the end.

    The length is that of the longest row, rounded up to a multiple of `LENGTH_STEP`.
    """
    length = -(-max(map(len, rows)) // LENGTH_STEP) * LENGTH_STEP
    out = torch.full((len(rows), length), fill, dtype=dtype)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row, dtype=dtype)
    return out


def pack_rows(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Pack sequences into rows of `capacity` tokens by first fit, the longest first.

    Args:
        lengths: (n_sequences,) lengths in tokens; one longer than `capacity` gets its own row.
        capacity: most tokens of a row with several sequences.

    Returns:
        The indices of the sequences in each row.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        for row, left in enumerate(room):
            if lengths[i] <= left:
                rows[row].append(i)
                room[row] -= lengths[i]
                break
        else:
            rows.append([i])
            room.append(capacity - lengths[i])
    return rows


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Training rows as tensors on a device; if packed, a line holds several rows.

    Attributes:
        ids: (n_lines, length) tokens, padded at the end.
        written: (n_lines, length - 1) True where the next token was sampled.
        positions: (n_lines, length) position of each token in its row, by which rows that share a
            line are told apart; padding is at position 0. None if not packed.
        order: indices of the rows, in the order of their written tokens in `written`.
    """

    ids: Tensor
    written: Tensor
    positions: Tensor | None
    order: list[int]

    @classmethod
    def of(cls, rows: Sequence[TokenRow], capacity: int | None = None) -> TokenBatch:
        """Make a batch with one row a line, or packed lines of `capacity` tokens."""
        if capacity is None:
            ids = pad_rows([row.tokens for row in rows], torch.long)
            written = pad_rows([row.written for row in rows], torch.bool)[:, 1:]
            return cls(ids, written, None, list(range(len(rows))))
        packs = pack_rows([len(row) for row in rows], capacity)
        parts = [[rows[i] for i in pack] for pack in packs]
        return cls(
            ids=pad_rows([[t for row in part for t in row.tokens] for part in parts], torch.long),
            # A row's first token must not be predicted from the last token of the row before it.
            written=pad_rows(
                [[w for row in part for w in (False, *row.written[1:])] for part in parts],
                torch.bool,
            )[:, 1:],
            positions=pad_rows(
                [[p for row in part for p in range(len(row))] for part in parts], torch.long
            ),
            order=[i for pack in packs for i in pack],
        )

    def to(self, device: torch.device) -> TokenBatch:
        """Return the batch on another device."""
        positions = None if self.positions is None else self.positions.to(device)
        ids, written = self.ids.to(device), self.written.to(device)
        return TokenBatch(ids, written, positions, self.order)


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
