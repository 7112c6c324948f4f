"""Sampling of tokens from logits, free or constrained to a trie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from anchorgym.agents.engines.trie import Trie

_UNLIKELY = float("-inf")
_BLOCK = 256
"""Tokens of a block of a large vocabulary, of which one is searched token by token."""
_LARGE = 8192
"""Tokens from which a vocabulary is large."""


def draw(logits: Tensor, temperature: float | Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return a token for each row and its log-probability, (batch,) each.

    Args:
        logits: (batch, n_tokens).
        temperature: one number, or (batch, 1); 0 takes the most likely token.
        noise: float64 (batch,) in [0, 1), the position in the cumulative distribution.
    """
    if isinstance(temperature, float | int) and temperature == 0:
        token = logits.argmax(-1)
        return token, logits.log_softmax(-1).gather(1, token[:, None])[:, 0]
    if logits.shape[-1] >= _LARGE:
        return _draw_by_blocks(logits, temperature, noise)
    logprobs = torch.log_softmax(logits / temperature, -1)
    reached = logprobs.exp().cumsum(-1, dtype=torch.float64)
    token = _reaching(reached, noise * reached[:, -1])
    return token, logprobs.gather(1, token[:, None])[:, 0]


def nucleus(logits: Tensor, temperature: float | Tensor, top_p: float) -> Tensor:
    """Return logits that are minus infinity beyond the likeliest tokens, (batch, n_tokens).

    Those that stay are the fewest whose probabilities add up to `top_p`. Source: Holtzman et al.
    (2020), arXiv 1904.09751.
    """
    likeliest, order = torch.softmax(logits / temperature, -1).sort(-1, descending=True)
    before = likeliest.cumsum(-1, dtype=torch.float64) - likeliest
    beyond = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
    return logits.masked_fill(beyond, _UNLIKELY)


def _draw_by_blocks(
    logits: Tensor, temperature: float | Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what `draw` does, and sum up blocks of tokens before one of them is searched."""
    peak = logits.amax(-1, keepdim=True)
    weights = (logits - peak).div_(temperature).exp_()
    if missing := -weights.shape[-1] % _BLOCK:
        weights = functional.pad(weights, (0, missing))
    blocks = weights.unflatten(-1, (-1, _BLOCK))
    reached = blocks.sum(-1).cumsum(-1, dtype=torch.float64)
    target = noise * reached[:, -1]
    block = _reaching(reached, target)
    rows = torch.arange(len(block), device=block.device)
    before = torch.where(block > 0, reached[rows, block - 1], 0.0)
    inside = blocks[rows, block].cumsum(-1, dtype=torch.float64)
    token = block * _BLOCK + _reaching(inside, target - before)
    chosen = (logits.gather(1, token[:, None]) - peak) / temperature
    return token, chosen[:, 0] - reached[:, -1].log().to(chosen.dtype)


def _reaching(reached: Tensor, target: Tensor) -> Tensor:
    """Return the first column of each row at which a cumulative sum exceeds a target: (batch,)."""
    total = reached[:, -1]
    # Rounding must not lead beyond the last token that has a probability.
    target = torch.minimum(target, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(reached, target[:, None], right=True)[:, 0]


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
        # It is made on the CPU: a GPU would be asked twice for each row.
        barred = torch.zeros(logits.shape, dtype=torch.bool, device="cpu")
        for row, node in enumerate(self._nodes):
            if node is None or not node:
                continue  # unconstrained, or finished: its token is dropped
            tokens = node.allowed()
            self.allowed[row].append(tokens)
            barred[row] = True
            barred[row, list(tokens)] = False
        return logits.masked_fill(barred.to(logits.device), _UNLIKELY)

    def take(self, tokens: Sequence[int]) -> None:
        """Advance by the sampled tokens, (batch,)."""
        for row, (node, token) in enumerate(zip(self._nodes, tokens, strict=True)):
            if node:
                self._nodes[row] = node.after(token)
