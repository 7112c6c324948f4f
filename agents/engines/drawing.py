"""Sampling of tokens from logits, free or constrained to a trie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anchorgym.agents.engines.trie import Trie


def draw(logits: Tensor, temperature: float | Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return a token for each row and its log-probability, (batch,) each.

    Args:
        logits: (batch, n_tokens).
        temperature: one number, or (batch, 1); 0 takes the most likely token.
        noise: float64 (batch,) in [0, 1), the position in the cumulative distribution.
    """
    if isinstance(temperature, float | int) and temperature == 0:
        logprobs = torch.log_softmax(logits, -1)
        token = logprobs.argmax(-1)
    else:
        logprobs = torch.log_softmax(logits / temperature, -1)
        reached = logprobs.exp().cumsum(-1, dtype=torch.float64)
        total = reached[:, -1]
        # Rounding must not lead beyond the last token that has a probability.
        target = torch.minimum(noise * total, torch.nextafter(total, torch.zeros_like(total)))
        token = torch.searchsorted(reached, target[:, None], right=True)[:, 0]
    return token, logprobs.gather(1, token[:, None])[:, 0]


class Choices:
    """The position of each row of a batch in its trie of allowed responses.

    Attributes:
        allowed: for each row, the tokens that were allowed at each of its positions.
    """

    def __init__(self, tries: Sequence[Trie | None]) -> None:
        self._nodes = list(tries)
        self.allowed: list[list[tuple[int, ...]]] = [[] for _ in tries]

    def restrict(self, logits: Tensor) -> Tensor:
        """Return logits (batch, n_tokens) that are minus infinity at forbidden tokens."""
        barred = torch.zeros_like(logits, dtype=torch.bool)
        for row, node in enumerate(self._nodes):
            if node is None or not node:
                continue  # unconstrained, or finished: its token is dropped
            tokens = node.allowed()
            self.allowed[row].append(tokens)
            barred[row] = True
            barred[row, list(tokens)] = False
        return logits.masked_fill(barred, float("-inf"))

    def take(self, tokens: Sequence[int]) -> None:
        """Advance by the sampled tokens, (batch,)."""
        for row, (node, token) in enumerate(zip(self._nodes, tokens, strict=True)):
            if node:
                self._nodes[row] = node.after(token)
