"""Training rows: episodes and advantages as the tokens that a learner is trained on.

Token in, token out: a row holds the tokens that were read and sampled, never a text encoded anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anchorgym.gigpo.algorithm import MinibatchUnit
from anchorgym.training.rollout.types import Episode


@dataclass(slots=True)
class TokenRow:
    """A training row: the tokens that one context held, and what is learnt from them.

    That is a whole transcript, or the prompt and response of one turn. A table's row is one turn:
    the row of the table, the options that were open, and at last the one that was chosen.
    """

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
    """Number of the trajectory's group in its batch."""

    def __len__(self) -> int:
        return len(self.tokens)

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values, for a buffer; `TokenRow(**values)` reads them."""
        return asdict(self)


def episode_rows(
    episode: Episode,
    advantages: Sequence[float],
    columns: Mapping[str, Sequence[float]] | None = None,
) -> Iterator[TokenRow]:
    """Join an episode's turns; a new row begins wherever the context began anew.

    Args:
        episode: with the tokens that were read and sampled.
        advantages: (n_turns,).
        columns: (n_tokens,) by name, of the tokens that the episode's turns wrote, one turn after
            another. One named `advantages` replaces those of the turns.
    """
    rest = dict(columns or {})
    of_tokens = rest.pop("advantages", None)
    row, end = TokenRow(), 0
    for number, (turn, advantage) in enumerate(zip(episode.turns, advantages, strict=True)):
        if turn.restart and row.tokens:
            yield row
            row = TokenRow()
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


def all_rows(episodes: Sequence[Episode]) -> list[TokenRow]:
    """Return every row of episodes, without advantages: what they read and wrote."""
    return [row for e in episodes for row in episode_rows(e, [0.0] * len(e.turns))]


def training_rows(
    episodes: Sequence[Episode],
    advantages: NDArray[np.float64],
    columns: Mapping[str, NDArray[np.float64]] | None = None,
    unit: MinibatchUnit = "turn",
    groups: Sequence[int] | None = None,
) -> list[TokenRow]:
    """Return the rows of episodes that have something to teach: a non-zero advantage.

    A fork of which an algorithm says nothing is no member of its group, whatever the unit is.

    Args:
        episodes: in the order of the batch.
        advantages: (n_turns,), the episodes' turns one after another.
        columns: (n_tokens,) by name, of the tokens that these turns wrote.
        unit: of which all rows are returned if any has something to teach.
        groups: (n_episodes,) numbers of their groups; by default those of their starts.
    """
    rows: list[TokenRow] = []
    first_turn = first_token = 0
    for number, episode in enumerate(episodes):
        turns = slice(first_turn, first_turn + len(episode.turns))
        size = sum(len(turn.response) for turn in episode.turns)
        tokens = slice(first_token, first_token + size)
        first_turn, first_token = turns.stop, tokens.stop
        if episode.start.origin is not None and not advantages[turns].any():
            continue
        parts = {name: values[tokens].tolist() for name, values in (columns or {}).items()}
        for row in episode_rows(episode, advantages[turns].tolist(), parts):
            row.trajectory = number
            row.group = episode.start.group if groups is None else groups[number]
            rows.append(row)
    key = unit_key(unit)
    telling = {key(i, row) for i, row in enumerate(rows) if any(row.advantages)}
    return [row for i, row in enumerate(rows) if key(i, row) in telling]


def unit_key(unit: MinibatchUnit) -> Callable[[int, TokenRow], Hashable]:
    """Return what tells units of rows apart: a function of a row's place and the row."""
    if unit == "turn":
        return lambda i, row: i
    if unit == "trajectory":
        return lambda i, row: row.trajectory
    return lambda i, row: row.group
