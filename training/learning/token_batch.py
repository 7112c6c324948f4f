"""Training rows as tensors: padded or packed, with masks of what may be looked at and chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anchorgym.training.learning.rows import TokenRow

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


def pack_rows(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Fill rows of `capacity` tokens with sequences, the longest first, each where it fits first.

    Args:
        lengths: (n_sequences,) in tokens; one longer than `capacity` gets a row of its own.

    Returns:
        For each row, the indices of its sequences.
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
    """Training rows as tensors on a device; packed, a line of them holds several rows.

    Rows that share a line do not see each other.

    Attributes:
        ids: (n_lines, length) tokens, padded at the end.
        written: (n_lines, length - 1) True where the next token was sampled.
        positions: (n_lines, length) of each token in its own row; None: a line is a row.
        segments: (n_lines, length) which of the line's rows a token belongs to; -1 is padding.
        order: the rows in the order in which their written tokens come out.
    """

    ids: Tensor
    written: Tensor
    positions: Tensor | None
    segments: Tensor | None
    order: list[int]

    @classmethod
    def of(cls, rows: Sequence[TokenRow], capacity: int | None = None) -> TokenBatch:
        """Make a batch with a line for each row, or with lines of `capacity` tokens."""
        if capacity is None:
            ids = pad_rows([row.tokens for row in rows], torch.long)
            written = pad_rows([row.written for row in rows], torch.bool)[:, 1:]
            return cls(ids, written, None, None, list(range(len(rows))))
        packs = pack_rows([len(row) for row in rows], capacity)
        parts = [[rows[i] for i in pack] for pack in packs]
        return cls(
            ids=pad_rows([[t for row in part for t in row.tokens] for part in parts], torch.long),
            # The first token of a sequence is never predicted: not from another sequence's last.
            written=pad_rows(
                [[w for row in part for w in (False, *row.written[1:])] for part in parts],
                torch.bool,
            )[:, 1:],
            positions=pad_rows(
                [[p for row in part for p in range(len(row))] for part in parts], torch.long
            ),
            segments=pad_rows(
                [[n for n, row in enumerate(part) for _ in row.tokens] for part in parts],
                torch.long,
                fill=-1,
            ),
            order=[i for pack in packs for i in pack],
        )

    def to(self, device: torch.device) -> TokenBatch:
        """Return the batch on another device."""
        positions = None if self.positions is None else self.positions.to(device)
        segments = None if self.segments is None else self.segments.to(device)
        ids, written = self.ids.to(device), self.written.to(device)
        return TokenBatch(ids, written, positions, segments, self.order)

    def attention_mask(self) -> Tensor:
        """Return which tokens of packed rows each may look at, (n_rows, 1, length, length)."""
        assert self.segments is not None
        same = self.segments[:, :, None] == self.segments[:, None, :]
        return torch.tril(same)[:, None]


def choice_mask(rows: Sequence[TokenRow], n_tokens: int) -> Tensor | None:
    """Return what the written tokens were chosen among, (n_written, n_tokens) True where allowed.

    None if every one was free.
    """
    allowed = [tokens for row in rows for tokens in row.allowed]
    if not any(allowed):
        return None
    mask = torch.zeros(len(allowed), n_tokens, dtype=torch.bool)
    for i, tokens in enumerate(allowed):
        mask[i, list(tokens) if tokens else slice(None)] = True
    return mask
