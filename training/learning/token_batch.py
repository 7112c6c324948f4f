"""Training rows as padded or packed tensors, and masks of allowed tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from anchorgym.agents.engines.attention import is_wide
from anchorgym.agents.engines.lines import Span, lay_out, line_length, shares_beginnings
from anchorgym.training.learning.activations import attended_share
from anchorgym.training.learning.rows import TokenRow

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LENGTH_STEP = 16
"""Rows are padded to a multiple of this length, as kernels are prepared anew for each shape."""
_WORTH = 0.8
"""Greatest size of a line that shares beginnings, as a share of what it would be otherwise."""


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


class Layout(NamedTuple):
    """How the rows of a pass are laid out."""

    packed: bool = False
    """Whether all rows share one line, without padding."""
    sharing: bool = False
    """Whether beginnings that rows share are on that line once."""
    again: float = 0.0
    """Memory of a token for each further row that it begins, as a share of that of the token."""

    def size(self, rows: Sequence[Sequence[int]]) -> int:
        """Return the memory that a model takes, as a number of tokens, padding included."""
        if self.packed:
            length = line_length(rows, sharing=self.sharing)
            return self.line_size(length, sum(map(len, rows)) - length)
        return padded_length(max(map(len, rows), default=0)) * len(rows)

    def line_size(self, length: int, shared: int) -> int:
        """Return the size of a line of `length` tokens, to which rows add `shared` earlier ones."""
        return padded_length(length + int(self.again * shared))


def layout_of(
    model: PreTrainedModel, rows: Sequence[Sequence[int]], packing: bool | None, budget: int
) -> Layout:
    """Return the layout of rows.

    Args:
        model: model that reads them.
        rows: tokens of each row.
        packing: whether rows share a line, and on it their beginnings if that saves enough; None
            shares both on a CPU, where heads are wide enough for the fused kernel, if it saves
            enough, and neither otherwise. Enough is a fifth of the size, or what the budget lacks.
        budget: greatest size of a pass, in tokens.
    """
    other = Layout(packed=bool(packing))
    by_itself = model.device.type == "cpu" and is_wide(model.config)
    if packing is False or not shares_beginnings(model.config) or not (packing or by_itself):
        return other
    line = Layout(packed=True, sharing=True, again=attended_share(model.config))
    sizes = line.size(rows), other.size(rows)
    return line if sizes[0] <= _WORTH * sizes[1] or sizes[0] <= budget < sizes[1] else other


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows of tokens as a model reads them: one row a line, or all rows on one line.

    Attributes:
        ids: (n_lines, length) tokens, padded at the end.
        places: (n_rows, row_length) place of each token of a row among those of all lines; 0 beyond
            the row's end.
        spans: what the one line consists of, with its padding at the end; None for one row a line.
    """

    ids: Tensor
    places: Tensor
    spans: tuple[Span, ...] | None = None

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], layout: Layout) -> Lines:
        """Lay rows out."""
        if not layout.packed:
            ids = pad_rows(rows, torch.long)
            return cls(ids, torch.arange(ids.numel()).view_as(ids))
        tokens, spans, places = lay_out(rows, sharing=layout.sharing)
        ids = pad_rows([tokens], torch.long)
        if padding := ids.shape[1] - len(tokens):
            spans.append(Span(0, padding))
        return cls(ids, pad_rows(places, torch.long), tuple(spans))

    def to(self, device: torch.device) -> Lines:
        """Return the lines on another device."""
        return Lines(self.ids.to(device), self.places.to(device), self.spans)

    def before(self, states: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Return the states before tokens, row by row.

        Args:
            states: (n_lines, length, width) states of the lines.
            chosen: (n_rows, row_length - 1) which tokens but the first of each row; None for all.

        Returns:
            (n_chosen, width), or of all tokens (n_rows * (row_length - 1), width).
        """
        if self.spans is None:
            return states[:, :-1].flatten(0, 1) if chosen is None else states[:, :-1][chosen]
        places = self.places[:, :-1]
        places = places.flatten() if chosen is None else places[chosen]
        return states[0].index_select(0, places)


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Training rows as tensors on a device.

    Attributes:
        lines: the tokens as a model reads them.
        written: (n_rows, row_length - 1) True where the next token was sampled.
        tokens: (n_written,) the sampled tokens, in the order of the rows.
    """

    lines: Lines
    written: Tensor
    tokens: Tensor

    @classmethod
    def of(cls, rows: Sequence[TokenRow], layout: Layout) -> TokenBatch:
        """Make a batch of rows."""
        sequences = [row.tokens for row in rows]
        written = pad_rows([row.written for row in rows], torch.bool)[:, 1:]
        tokens = pad_rows(sequences, torch.long)[:, 1:][written]
        return cls(Lines.of(sequences, layout), written, tokens)

    def to(self, device: torch.device) -> TokenBatch:
        """Return the batch on another device."""
        return TokenBatch(self.lines.to(device), self.written.to(device), self.tokens.to(device))


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
