"""Mini-batches of training rows, and the tensors of their tokens that a loss reads."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from anchorgym.gigpo import Totals
from anchorgym.gigpo.algorithm import MinibatchUnit
from anchorgym.training.learning.rows import TokenRow, unit_key

_SORT_SPAN = 4
"""Number of mini-batches whose rows are sorted by length together, which saves padding."""


class FlatTokens:
    """Tensors of the written tokens of rows, one row after another: (n_tokens,) each.

    Tensors that only some losses read are made on demand; see `anchorgym.gigpo.TokenView`.

    Args:
        rows: rows of a mini-batch, or of a part of one.
        device: device of the tensors.
        totals: sizes of the mini-batch that the rows are a part of; None for a whole mini-batch.
    """

    def __init__(
        self,
        rows: Sequence[TokenRow],
        device: torch.device | None = None,
        totals: Totals | None = None,
    ) -> None:
        self._rows, self._device, self.totals = rows, device, totals
        self.old_logprobs = self._tensor([p for row in rows for p in row.logprobs])
        self.mask = torch.ones(len(self.old_logprobs), dtype=torch.bool, device=device)
        lengths = self._tensor([len(row.logprobs) for row in rows])
        self.sequence = torch.repeat_interleave(torch.arange(len(rows), device=device), lengths)

    @cached_property
    def advantages(self) -> Tensor:
        """Advantage of each token."""
        return self._tensor([value for row in self._rows for value in row.advantages])

    @cached_property
    def turn(self) -> Tensor:
        """Index of the token's turn."""
        turns = self._tensor([turn for row in self._rows for turn in row.turns])
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
        """The algorithm's columns of the tokens, by name."""
        return {
            name: self._tensor([value for row in self._rows for value in row.columns[name]])
            for name in self._rows[0].columns
        }

    def _of_rows(self, key: Callable[[TokenRow], int]) -> Tensor:
        keys = self._tensor([key(row) for row in self._rows])
        index: Tensor = torch.unique(keys, return_inverse=True)[1]
        return index[self.sequence]

    def _tensor(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, device=self._device)


def minibatches(
    rows: Sequence[TokenRow], size: int, rng: random.Random, unit: MinibatchUnit = "turn"
) -> list[list[TokenRow]]:
    """Split rows into mini-batches in random order; a unit stays together, even if it is larger.

    With unit "turn", rows are sorted by length within a few mini-batches, to save padding.
    """
    batches: list[list[TokenRow]] = []
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


def minibatch_epochs(
    n_rows: int, size: int, epochs: int, rng: np.random.Generator | torch.Generator
) -> Iterator[Tensor]:
    """Yield the row indices of mini-batches, (at most `size`,) each, in random order.

    Every epoch shuffles all rows again; its last mini-batch may be smaller.
    """
    for _ in range(epochs if n_rows else 0):
        if isinstance(rng, torch.Generator):
            order = torch.randperm(n_rows, generator=rng)
        else:
            order = torch.from_numpy(rng.permutation(n_rows))
        yield from order.split(size)


def sampling_temperatures(
    rows: Sequence[TokenRow], usual: float, device: torch.device
) -> float | Tensor:
    """Return the sampling temperature of written tokens: one number, or (n_tokens, 1)."""
    if not any(row.temperatures for row in rows):
        return usual
    parts = (row.temperatures or [usual] * len(row.logprobs) for row in rows)
    return torch.tensor([value for part in parts for value in part], device=device)[:, None]


def totals_of(rows: Sequence[TokenRow]) -> Totals:
    """Return the sizes of a mini-batch of rows."""
    return Totals(
        tokens=sum(len(row.logprobs) for row in rows),
        sequences=len(rows),
        turns=sum(len(set(row.turns)) for row in rows),
        trajectories=len({row.trajectory for row in rows}),
        groups=len({row.group for row in rows}),
    )


def _shuffled_units(
    rows: Sequence[TokenRow], rng: random.Random, unit: MinibatchUnit
) -> list[list[TokenRow]]:
    key = unit_key(unit)
    units: dict[Hashable, list[TokenRow]] = {}
    for i, row in enumerate(rows):
        units.setdefault(key(i, row), []).append(row)
    whole = list(units.values())
    rng.shuffle(whole)
    return whole
