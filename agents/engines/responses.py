"""The responses of a batch, while they are written token by token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anchorgym.agents.engines.contract import Generation, Stop

Notes = Sequence[Sequence[tuple[int, ...]]]
"""For each response, the tokens that were allowed at each of its positions."""


class Responses:
    """Responses of a batch, of which some may be finished while others go on.

    Args:
        n: number of responses.
        ends: tokens that close a response.
        device: device of what is added.

    Attributes:
        rows: (batch,) responses that are still computed, by their number.
        running: (batch,) whether each of these goes on.
    """

    def __init__(self, n: int, ends: Sequence[int], device: torch.device) -> None:
        self._n, self._ends = n, tuple(ends)
        self.rows = torch.arange(n, device=device)
        self.running = torch.ones(n, dtype=torch.bool, device=device)
        self._counts = torch.zeros(n, dtype=torch.long, device=device)
        self._added: list[tuple[Tensor, ...]] = []
        self._added_to: list[Tensor] = []

    def add(self, token: Tensor, logprob: Tensor, temperature: Tensor | None = None) -> None:
        """Add a token to each response that is computed, (batch,) each."""
        self._added.append(
            (token, logprob) if temperature is None else (token, logprob, temperature)
        )
        self._added_to.append(self.rows)
        self._counts[self.rows] += self.running
        for end in self._ends:
            self.running = self.running & (token != end)

    def keep(self, positions: Sequence[int]) -> None:
        """Compute no others than some of those that are computed, given by their positions."""
        self.rows, self.running = self.rows[positions], self.running[positions]

    def generations(self, version: int, notes: Notes | None = None) -> list[Generation]:
        """Return the whole responses, in order.

        Args:
            version: version of the weights.
            notes: for constrained responses, the tokens that were allowed.
        """
        tokens, logprobs, *temperatures = map(self._table, zip(*self._added, strict=True))
        out = []
        for row, n in enumerate(self._counts.tolist()):
            written = tuple(map(int, tokens[row][:n]))
            stop = Stop.EOS if written[-1] in self._ends else Stop.LENGTH
            allowed = () if notes is None else tuple(notes[row][:n])
            heat = tuple(temperatures[0][row][:n]) if temperatures else ()
            out.append(Generation(written, tuple(logprobs[row][:n]), stop, allowed, version, heat))
        return out

    def _table(self, columns: Sequence[Tensor]) -> list[list[float]]:
        """Return what was added to each response, with anything after its end."""
        table = columns[0].new_zeros(self._n, len(columns))
        for step, (rows, column) in enumerate(zip(self._added_to, columns, strict=True)):
            table[rows, step] = column
        found: list[list[float]] = table.tolist()
        return found
