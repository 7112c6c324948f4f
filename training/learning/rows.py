"""Training rows: the tokens of episodes with their advantages, on which a learner is trained.

Token in, token out: a row holds the tokens that were read and sampled; text is never re-encoded.
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
    """A training row: the tokens of one context, and the learning signal of the written tokens.

    The context is a whole transcript, or the prompt and response of one turn. For a table it is one
    turn: the table's row, the open options, and last the chosen option.
    """

    tokens: list[int] = field(default_factory=list)
    written: list[bool] = field(default_factory=list)
    """True where the policy sampled the token."""
    logprobs: list[float] = field(default_factory=list)
    """Logprobs of the written tokens when they were sampled."""
    advantages: list[float] = field(default_factory=list)
    """Advantages of the written tokens: those of their turns."""
    allowed: list[tuple[int, ...]] = field(default_factory=list)
    """Allowed tokens at each written token; () if it was unconstrained."""
    turns: list[int] = field(default_factory=list)
    """Turn of each written token, as its number in the episode."""
    temperatures: list[float] = field(default_factory=list)
    """Temperatures of the written tokens; empty if all had that of the rollout."""
    columns: dict[str, list[float]] = field(default_factory=dict)
    """The algorithm's columns of the written tokens, by name."""
    trajectory: int = 0
    """Number of the episode in its batch."""
    group: int = 0
    """Number of the trajectory's group in its batch."""

    def __len__(self) -> int:
        return len(self.tokens)

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values for a replay buffer; `TokenRow(**values)` reads them."""
        return asdict(self)


def episode_rows(
    episode: Episode,
    advantages: Sequence[float],
    columns: Mapping[str, Sequence[float]] | None = None,
) -> Iterator[TokenRow]:
    """Yield the rows of an episode; a new row begins where the context was restarted.

    Args:
        episode: episode with the tokens that were read and sampled.
        advantages: (n_turns,) advantages of the turns.
        columns: (n_tokens,) columns of the written tokens by name, one turn after another. A column
            `advantages` replaces the advantages of the turns.
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
    """Return all rows of episodes, with advantages of 0."""
    return [row for e in episodes for row in episode_rows(e, [0.0] * len(e.turns))]


def training_rows(
    episodes: Sequence[Episode],
    advantages: NDArray[np.float64],
    columns: Mapping[str, NDArray[np.float64]] | None = None,
    unit: MinibatchUnit = "turn",
    groups: Sequence[int] | None = None,
) -> list[TokenRow]:
    """Return the rows of episodes that have a non-zero advantage.

    A fork without any is left out, whatever the unit is.

    Args:
        episodes: episodes in the order of the batch.
        advantages: (n_turns,) advantages of the episodes' turns, one episode after another.
        columns: (n_tokens,) columns of the written tokens, by name.
        unit: unit of which all rows are returned if any of them has a non-zero advantage.
        groups: (n_episodes,) groups of the episodes; by default those of their starts.
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
    informative = {key(i, row) for i, row in enumerate(rows) if any(row.advantages)}
    return [row for i, row in enumerate(rows) if key(i, row) in informative]


def unit_key(unit: MinibatchUnit) -> Callable[[int, TokenRow], Hashable]:
    """Return the function that maps (index of a row, row) to the key of its unit."""
    if unit == "turn":
        return lambda i, row: i
    if unit == "trajectory":
        return lambda i, row: row.trajectory
    return lambda i, row: row.group
