"""What of an iteration is trained on, in which order, and how a loss sees it."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anchorgym.gigpo.algorithm import MinibatchUnit
from anchorgym.training.learning.sequences import TokenSequence, token_sequences
from anchorgym.training.rollout.types import Episode

_SORT_SPAN = 4
"""Minibatches that are sorted by length together: less padding, little less chance."""


class TokenRows:
    """The written tokens of a mini-batch's rows, laid end to end: (n_tokens,) each.

    What only some losses read is made when it is read.
    """

    def __init__(self, rows: Sequence[TokenSequence]) -> None:
        self._rows = rows
        self.old_logprobs = torch.tensor([p for row in rows for p in row.logprobs])
        self.mask = torch.ones(len(self.old_logprobs), dtype=torch.bool)
        lengths = torch.tensor([len(row.logprobs) for row in rows])
        self.sequence = torch.repeat_interleave(torch.arange(len(rows)), lengths)

    @cached_property
    def turn(self) -> Tensor:
        """Index of the token's turn."""
        turns = torch.tensor([turn for row in self._rows for turn in row.turns])
        keys = torch.stack([self.sequence, turns])
        index: Tensor = torch.unique(keys, dim=1, return_inverse=True)[1]
        return index

    @cached_property
    def trajectory(self) -> Tensor:
        """Index of the token's trajectory."""
        return self._of_rows(lambda row: row.trajectory)

    @cached_property
    def group(self) -> Tensor:
        """Index of the token's group."""
        return self._of_rows(lambda row: row.group)

    @cached_property
    def columns(self) -> Mapping[str, Tensor]:
        """What the algorithm says of the tokens."""
        return {
            name: torch.tensor([value for row in self._rows for value in row.columns[name]])
            for name in self._rows[0].columns
        }

    def temperatures(self, usual: float) -> float | Tensor:
        """Return what divided the logits: one number, or (n_tokens, 1)."""
        if not any(row.temperatures for row in self._rows):
            return usual
        parts = (row.temperatures or [usual] * len(row.logprobs) for row in self._rows)
        return torch.tensor([value for part in parts for value in part])[:, None]

    def _of_rows(self, key: Callable[[TokenSequence], int]) -> Tensor:
        keys = torch.tensor([key(row) for row in self._rows])
        index: Tensor = torch.unique(keys, return_inverse=True)[1]
        return index[self.sequence]


def training_rows(
    episodes: Sequence[Episode],
    advantages: NDArray[np.float64],
    columns: Mapping[str, NDArray[np.float64]] | None = None,
    unit: MinibatchUnit = "turn",
) -> list[TokenSequence]:
    """Return the sequences of episodes that have something to teach: a non-zero advantage.

    A fork of which an algorithm says nothing is no member of its group, whatever the unit is.

    Args:
        episodes: in the order of the batch.
        advantages: (n_turns,), the episodes' turns one after another.
        columns: (n_tokens,) by name, of the tokens that these turns wrote.
        unit: of which all sequences are returned if any has something to teach.
    """
    rows: list[TokenSequence] = []
    first_turn = first_token = 0
    for number, episode in enumerate(episodes):
        turns = slice(first_turn, first_turn + len(episode.turns))
        size = sum(len(turn.response) for turn in episode.turns)
        tokens = slice(first_token, first_token + size)
        first_turn, first_token = turns.stop, tokens.stop
        if episode.start.origin is not None and not advantages[turns].any():
            continue
        parts = {name: values[tokens].tolist() for name, values in (columns or {}).items()}
        for row in token_sequences(episode, advantages[turns].tolist(), parts):
            row.trajectory, row.group = number, episode.start.group
            rows.append(row)
    key = _key_of(unit)
    telling = {key(i, row) for i, row in enumerate(rows) if any(row.advantages)}
    return [row for i, row in enumerate(rows) if key(i, row) in telling]


def minibatches(
    rows: Sequence[TokenSequence], size: int, rng: random.Random, unit: MinibatchUnit = "turn"
) -> list[list[TokenSequence]]:
    """Deal rows out in chance order, `size` at a time; a unit stays together, even a larger one.

    Rows that are units by themselves are sorted by length within a few mini-batches.
    """
    batches: list[list[TokenSequence]] = []
    if unit != "turn":
        for part in _shuffled_units(rows, rng, unit):
            if not batches or len(batches[-1]) + len(part) > size:
                batches.append([])
            batches[-1] += part
        return batches
    order = list(rows)
    rng.shuffle(order)
    for start in range(0, len(order), size * _SORT_SPAN):
        span = sorted(order[start : start + size * _SORT_SPAN], key=lambda row: len(row.tokens))
        batches += [span[i : i + size] for i in range(0, len(span), size)]
    rng.shuffle(batches)
    return batches


def _shuffled_units(
    rows: Sequence[TokenSequence], rng: random.Random, unit: MinibatchUnit
) -> list[list[TokenSequence]]:
    key = _key_of(unit)
    units: dict[Hashable, list[TokenSequence]] = {}
    for i, row in enumerate(rows):
        units.setdefault(key(i, row), []).append(row)
    whole = list(units.values())
    rng.shuffle(whole)
    return whole


def _key_of(unit: MinibatchUnit) -> Callable[[int, TokenSequence], Hashable]:
    if unit == "turn":
        return lambda i, row: i
    if unit == "trajectory":
        return lambda i, row: row.trajectory
    return lambda i, row: row.group
