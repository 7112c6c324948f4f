"""Drawing tokens from logits, free or confined to a trie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anchorgym.agents.engines.trie import Trie


def draw(logits: Tensor, temperature: float | Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return a token for each row and its log-probability, (batch,) each.

    Args:
        logits: (batch, n_tokens).
        temperature: of all rows, or (batch, 1); 0 takes the most likely token.
        noise: float64 (batch,) in [0, 1), which says where in the cumulative distribution.
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
    """Where each row of a batch stands in the tree of what it may write.

    Attributes:
        allowed: for each row, the tokens that each of its tokens was chosen among.
    """

    def __init__(self, tries: Sequence[Trie | None]) -> None:
        self._nodes = list(tries)
        self.allowed: list[list[tuple[int, ...]]] = [[] for _ in tries]

    def restrict(self, logits: Tensor) -> Tensor:
        """Return logits (batch, n_tokens) that are minus infinity at what may not be written."""
        barred = torch.zeros_like(logits, dtype=torch.bool)
        for row, node in enumerate(self._nodes):
            if node is None or not node:
                continue  # free, or finished: what is drawn for it is dropped
            tokens = node.allowed()
            self.allowed[row].append(tokens)
            barred[row] = True
            barred[row, list(tokens)] = False
        return logits.masked_fill(barred, float("-inf"))

    def take(self, tokens: Sequence[int]) -> None:
        """Go on to the tokens (batch,) that were drawn."""
        for row, (node, token) in enumerate(zip(self._nodes, tokens, strict=True)):
            if node:
                self._nodes[row] = node.after(token)
