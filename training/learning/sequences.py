"""Training rows: what was read and written in order, as tensors of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from anchorgym.training.rollout.types import Episode

LENGTH_STEP = 16
"""Rows are padded to a multiple of this: kernels are prepared anew for each shape they meet."""


@dataclass(slots=True)
class TokenSequence:
    """Tokens that one context held: a whole transcript, or the prompt and response of one turn."""

    tokens: list[int] = field(default_factory=list)
    written: list[bool] = field(default_factory=list)
    """True where the policy sampled the token."""
    logprobs: list[float] = field(default_factory=list)
    """Of the written tokens, when they were sampled."""
    advantages: list[float] = field(default_factory=list)
    """Of the written tokens: that of their turn."""
    allowed: list[tuple[int, ...]] = field(default_factory=list)
    """Of the written tokens: what each was chosen among; () where it was free."""
    turns: list[int] = field(default_factory=list)
    """Of the written tokens: the number of their turn in the episode."""
    temperatures: list[float] = field(default_factory=list)
    """Of the written tokens, or empty: all were drawn at the rollout's."""
    columns: dict[str, list[float]] = field(default_factory=dict)
    """What the algorithm says of the written tokens, by name."""
    trajectory: int = 0
    """Number of the episode in its batch."""
    group: int = 0

    def __len__(self) -> int:
        return len(self.tokens)

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values, for a buffer; `TokenSequence(**values)` reads them."""
        return asdict(self)


def token_sequences(
    episode: Episode,
    advantages: Sequence[float],
    columns: Mapping[str, Sequence[float]] | None = None,
) -> Iterator[TokenSequence]:
    """Join an episode's turns; a new sequence begins wherever the context began anew.

    Args:
        episode: with the tokens that were read and sampled.
        advantages: (n_turns,).
        columns: (n_tokens,) by name, of the tokens that the episode's turns wrote, one turn after
            another. One named `advantages` replaces those of the turns.
    """
    rest = dict(columns or {})
    of_tokens = rest.pop("advantages", None)
    row, end = TokenSequence(), 0
    for number, (turn, advantage) in enumerate(zip(episode.turns, advantages, strict=True)):
        if turn.restart and row.tokens:
            yield row
            row = TokenSequence()
        n = len(turn.response)
        start, end = end, end + n
        row.tokens += (*turn.context, *turn.response)
        row.written += [False] * len(turn.context) + [True] * n
        row.logprobs += turn.logprobs
        row.advantages += [advantage] * n if of_tokens is None else of_tokens[start:end]
        row.allowed += turn.allowed or [()] * n
        row.turns += [number] * n
        row.temperatures += turn.temperatures
        for name, values in rest.items():
            row.columns.setdefault(name, []).extend(values[start:end])
    if row.tokens:
        yield row


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
    """Sequences as tensors. With `packed` rows hold several, which do not see each other.

    Attributes:
        ids: (n_rows, length) tokens, padded at the end.
        written: (n_rows, length - 1) True where the next token was sampled.
        positions: (n_rows, length) of each token in its own sequence; None: rows are sequences.
        segments: (n_rows, length) which of the row's sequences a token belongs to; -1 is padding.
        order: the sequences in the order in which their written tokens come out.
    """

    ids: Tensor
    written: Tensor
    positions: Tensor | None
    segments: Tensor | None
    order: list[int]

    @classmethod
    def of(cls, rows: Sequence[TokenSequence], capacity: int | None = None) -> TokenBatch:
        """Make a batch with a row for each sequence, or with rows of `capacity` tokens."""
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

    def attention_mask(self) -> Tensor:
        """Return which tokens of packed rows each may look at, (n_rows, 1, length, length)."""
        assert self.segments is not None
        same = self.segments[:, :, None] == self.segments[:, None, :]
        return torch.tril(same)[:, None]


def choice_mask(rows: Sequence[TokenSequence], n_tokens: int) -> Tensor | None:
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
