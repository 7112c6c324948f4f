"""Rows of tokens on one line, where beginnings that several rows share are there once.

Siblings of a group read the same first prompt and often write the same first actions, and all
episodes of a world begin with the same instructions. On a line, a row adds only the tokens in which
it differs from the row before it, and attends to earlier tokens of the line for the rest. So the
model computes a shared beginning once, and its gradient is the sum over all rows that go on from
it: the same numbers, up to rounding, from a fraction of the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class Span(NamedTuple):
    """The tokens that a row adds to a line."""

    begin: int
    """Number of earlier tokens of the row, which are elsewhere on the line."""
    length: int
    """Number of tokens that are added."""
    before: tuple[tuple[int, int], ...] = ()
    """Where the earlier ones are: (number of a span, number of its first tokens), in order."""


def apart(lengths: Sequence[int]) -> tuple[Span, ...]:
    """Return the spans of rows that share nothing."""
    return tuple(Span(0, length) for length in lengths)


def positions_of(spans: Sequence[Span]) -> Tensor:
    """Return the position of each token of a line in its row, (length,)."""
    return torch.cat([torch.arange(span.begin, span.begin + span.length) for span in spans])


def line_order(rows: Sequence[Sequence[int]]) -> list[int]:
    """Return the order in which neighbouring rows share as many tokens as they can."""
    return sorted(range(len(rows)), key=lambda i: list(rows[i]))


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the number of tokens that two rows begin with."""
    for n, (token, twin) in enumerate(zip(one, other, strict=False)):
        if token != twin:
            return n
    return min(len(one), len(other))


def line_length(rows: Sequence[Sequence[int]], *, sharing: bool) -> int:
    """Return the number of tokens on a line of rows; see `lay_out`."""
    length = sum(map(len, rows))
    if sharing:
        ordered = [rows[i] for i in line_order(rows)]
        length -= sum(map(shared_length, ordered, ordered[1:]))
    return length


def lay_out(
    rows: Sequence[Sequence[int]], *, sharing: bool
) -> tuple[list[int], list[Span], list[list[int]]]:
    """Put rows on a line.

    Args:
        rows: tokens of each row.
        sharing: whether beginnings that rows share are there once; otherwise the rows stay in
            order, one after the other.

    Returns:
        (tokens of the line, its spans, places on the line of the tokens of each row).
    """
    order = line_order(rows) if sharing else range(len(rows))
    tokens: list[int] = []
    spans: list[Span] = []
    places: list[list[int]] = [[] for _ in rows]
    last: Sequence[int] = ()
    place: list[int] = []
    path: list[tuple[int, int]] = []  # the spans that the last row consists of
    for i in order:
        shared = shared_length(last, rows[i]) if sharing else 0
        last, path = rows[i], _first(path, shared)
        place = places[i] = [*place[:shared], *range(len(tokens), len(tokens) + len(last) - shared)]
        tokens += last[shared:]
        if len(last) > shared:
            spans.append(Span(shared, len(last) - shared, tuple(path)))
            path.append((len(spans) - 1, len(last) - shared))
    return tokens, spans, places


def _first(path: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Return what the first tokens of a row consist of."""
    found = []
    for span, count in path:
        if length <= 0:
            break
        found.append((span, min(count, length)))
        length -= count
    return found


def whole_row(parts: Sequence[Tensor], n: int, span: Span) -> Tensor:
    """Return the keys or values (…, length, width) of the row that a span ends.

    Args:
        parts: those that each span of the line adds.
        n: number of the span.
        span: the span.
    """
    if not span.before:
        return parts[n]
    return torch.cat([*(parts[of][..., :count, :] for of, count in span.before), parts[n]], -2)


def shares_beginnings(config: PreTrainedConfig) -> bool:
    """Whether a model's layers attend to all earlier tokens, wherever on a line they are."""
    about: Any = config
    kinds = getattr(about, "layer_types", None)
    if kinds is not None:
        return set(kinds) == {"full_attention"}
    windows = ("sliding_window", "attention_chunk_size")
    return not any(getattr(about, name, None) for name in windows)
