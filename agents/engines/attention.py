"""Causal attention as plain products of matrices, which is fast on a CPU.

The fused CPU kernel has a slow backward pass for small heads, and needs keys that heads share to
be repeated for each head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel

NAME, CACHED = "anchorgym_plain", "anchorgym_cached"

_BLOCK = 64
"""Number of queries in a block; a block attends only to keys up to its own end."""


def plain_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend causally over whole rows, without cache or mask (padding comes last).

    Args:
        query: (batch, heads, length, width).
        key, value: (batch, kv_heads, length, width); query heads share them in groups.

    Returns:
        (batch, length, heads, width), and no attention weights.
    """
    length = query.shape[2]
    mixed = [
        _attend(
            query[:, :, start : start + _BLOCK] * scaling,
            key[:, :, : start + _BLOCK],
            value[:, :, : start + _BLOCK],
            _future(min(_BLOCK, length - start), start, key.dtype, key.device),
        )
        for start in range(0, length, _BLOCK)
    ]
    return torch.cat(mixed, 2).transpose(1, 2), None


def cached_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend to cached keys; the heads of a group share them without copies.

    Args:
        query: (batch, heads, n_new, width).
        key, value: (batch, kv_heads, n_total, width).
        attention_mask: bool (batch, 1, n_new, n_total), True where a token may attend.

    Returns:
        (batch, n_new, heads, width), and no attention weights.
    """
    assert attention_mask is not None
    if key.shape[1] == query.shape[1]:
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, scale=scaling
        )
        return mixed.transpose(1, 2), None
    hidden = torch.zeros_like(attention_mask, dtype=query.dtype)
    hidden.masked_fill_(~attention_mask, float("-inf"))
    return _attend(query * scaling, key, value, hidden).transpose(1, 2), None


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Return (batch, heads, n_new, width); the heads of a group are laid out one after another."""
    batch, heads, n_new, width = query.shape
    kv_heads, n_total = key.shape[1:3]
    scores = query.reshape(batch, kv_heads, -1, width) @ key.transpose(-1, -2)
    weights = torch.softmax(scores.view(batch, heads, n_new, n_total) + bias, -1)
    mixed = weights.view(batch, kv_heads, -1, n_total) @ value
    return mixed.view(batch, heads, n_new, width)


@contextmanager
def training_attention(model: PreTrainedModel) -> Iterator[None]:
    """Use `plain_attention` inside the block, for forward passes over whole rows."""
    with _attention(model, NAME):
        yield


@contextmanager
def decoding_attention(model: PreTrainedModel) -> Iterator[None]:
    """Use `cached_attention` inside the block, for forward passes over new tokens."""
    with _attention(model, CACHED):
        yield


@contextmanager
def _attention(model: PreTrainedModel, name: str) -> Iterator[None]:
    before = model.config._attn_implementation
    model.config._attn_implementation = name
    try:
        yield
    finally:
        model.config._attn_implementation = before


@lru_cache(maxsize=512)
def _future(n_new: int, start: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a causal mask, minus infinity at later positions: (n_new, start + n_new)."""
    size = (n_new, start + n_new)
    return torch.full(size, float("-inf"), dtype=dtype, device=device).triu(start + 1)


AttentionInterface.register(NAME, plain_attention)
AttentionInterface.register(CACHED, cached_attention)
