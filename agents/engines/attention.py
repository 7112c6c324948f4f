"""Causal attention as plain products of matrices, which is fast on a CPU.

The fused CPU kernel has a slow backward pass for small heads, and needs keys that heads share to
be repeated for each head. What a family of models does beside plain causal attention stays: its
masks (windows, chunks) are made by the model itself, at the positions of our tokens, and its scale,
softcap and sinks reach the kernels as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, causal_mask_function

NAME, CACHED, PACKED = "anchorgym_plain", "anchorgym_cached", "anchorgym_packed"

MaskFunction = Callable[..., Tensor]
"""Whether a query attends to a key, from indices of row, head, query and key that broadcast."""

_positions: ContextVar[Tensor] = ContextVar("positions")
"""Positions (batch, n_new) of the tokens that the present forward pass reads, in their rows."""

_BLOCK = 64
"""Number of queries in a block; a block attends only to keys up to its own end."""


def plain_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend causally over whole rows, without cache (padding comes last).

    Args:
        query: (batch, heads, length, width).
        key, value: (batch, kv_heads, length, width); query heads share them in groups.
        attention_mask: bool (1, 1, length, length), True where a token may attend; None lets it
            attend to all tokens up to itself.
        scaling: factor of the scores.
        softcap: bound of the scores; see `_attend`.
        s_aux: (heads,) sinks; see `_attend`.

    Returns:
        (batch, length, heads, width), and no attention weights.
    """
    length = query.shape[2]
    mixed = []
    for start in range(0, length, _BLOCK):
        end = start + _BLOCK
        if attention_mask is None:
            bias = _future(min(_BLOCK, length - start), start, key.dtype, key.device)
        else:
            bias = _bias(attention_mask[:, :, start:end, :end], key.dtype)
        part = query[:, :, start:end] * scaling
        mixed.append(_attend(part, key[:, :, :end], value[:, :, :end], bias, softcap, s_aux))
    return torch.cat(mixed, 2).transpose(1, 2), None


def cached_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend to cached keys; the heads of a group share them without copies.

    Args:
        query: (batch, heads, n_new, width).
        key, value: (batch, kv_heads, n_total, width).
        attention_mask: bool (batch, 1, n_new, n_total), True where a token may attend.
        scaling: factor of the scores.
        softcap: bound of the scores; see `_attend`.
        s_aux: (heads,) sinks; see `_attend`.

    Returns:
        (batch, n_new, heads, width), and no attention weights.
    """
    assert attention_mask is not None
    if key.shape[1] == query.shape[1] and softcap is None and s_aux is None:
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, scale=scaling
        )
        return mixed.transpose(1, 2), None
    bias = _bias(attention_mask, query.dtype)
    return _attend(query * scaling, key, value, bias, softcap, s_aux).transpose(1, 2), None


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend within the rows that share a line, without cache.

    Args:
        query: (n_lines, heads, length, width).
        key, value: (n_lines, kv_heads, length, width).
        attention_mask: bool (n_lines, 1, length, length), True where a token may attend.
        scaling: factor of the scores.
        softcap: bound of the scores; see `_attend`.
        s_aux: (heads,) sinks; see `_attend`.

    Returns:
        (n_lines, length, heads, width), and no attention weights.
    """
    assert attention_mask is not None
    if softcap is None and s_aux is None:
        heads = query.shape[1] // key.shape[1]  # that share keys and values
        key, value = (of.repeat_interleave(heads, 1) if heads > 1 else of for of in (key, value))
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, scale=scaling
        )
        return mixed.transpose(1, 2), None
    bias = _bias(attention_mask, query.dtype)
    return _attend(query * scaling, key, value, bias, softcap, s_aux).transpose(1, 2), None


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    """Return (batch, heads, n_new, width); the heads of a group are laid out one after another.

    Args:
        softcap: bound of the scores, which become `softcap * tanh(score / softcap)` (Gemma 2).
        sinks: (heads,) score of a further key of each head, whose value is zero (gpt-oss).
    """
    batch, heads, n_new, width = query.shape
    kv_heads, n_total = key.shape[1:3]
    scores = query.reshape(batch, kv_heads, -1, width) @ key.transpose(-1, -2)
    scores = scores.view(batch, heads, n_new, n_total)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    scores = scores + bias
    if sinks is None:
        weights = torch.softmax(scores, -1)
    else:
        last = sinks.to(scores.dtype).view(1, -1, 1, 1).expand(batch, heads, n_new, 1)
        weights = torch.softmax(torch.cat([scores, last], -1), -1)[..., :-1]
    mixed = weights.reshape(batch, kv_heads, -1, n_total) @ value
    return mixed.view(batch, heads, n_new, value.shape[-1])


def _bias(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """Return minus infinity where a token may not attend, and 0 elsewhere."""
    return torch.zeros_like(allowed, dtype=dtype).masked_fill_(~allowed, float("-inf"))


def plain_mask(
    *, q_length: int, mask_function: MaskFunction, device: torch.device, **kwargs: Any
) -> Tensor | None:
    """Return a model's own mask over whole rows; None if it is the plain causal one.

    Args:
        q_length: length of the rows.
        mask_function: the model's rule, made by `transformers.masking_utils`.
        device: device of the mask.
    """
    plain: object = causal_mask_function
    if mask_function is plain:
        return None
    reach = torch.arange(q_length, device=device)
    first = reach.new_zeros(1)[:, None, None, None]
    allowed = mask_function(first, first, reach[None, None, :, None], reach[None, None, None, :])
    return allowed.expand(1, 1, q_length, q_length)


def cached_mask(
    *, kv_length: int, mask_function: MaskFunction, device: torch.device, **kwargs: Any
) -> Tensor:
    """Return a model's own mask (batch, 1, n_new, n_total) of new tokens over cached ones.

    Args:
        kv_length: number of cached positions, those of the new tokens included.
        mask_function: the model's rule, made by `transformers.masking_utils`.
        device: device of the mask.
    """
    positions = _positions.get()
    rows = torch.arange(len(positions), device=device)[:, None, None, None]
    reach = torch.arange(kv_length, device=device)[None, None, None]
    return mask_function(rows, torch.zeros_like(rows), positions[:, None, :, None], reach)


def packed_mask(
    *, q_length: int, mask_function: MaskFunction, device: torch.device, **kwargs: Any
) -> Tensor:
    """Return a model's own mask (n_lines, 1, length, length) of lines that hold several rows.

    Args:
        q_length: length of the lines.
        mask_function: the model's rule, made by `transformers.masking_utils`.
        device: device of the mask.
    """
    rows = (_positions.get() == 0).cumsum(-1)  # a row begins where the positions begin anew
    lines = torch.arange(len(rows), device=device)[:, None, None, None]
    reach = torch.arange(q_length, device=device)
    query, key = reach[None, None, :, None], reach[None, None, None, :]
    allowed = mask_function(lines, torch.zeros_like(lines), query, key) & (key <= query)
    return allowed & (rows[:, None, :, None] == rows[:, None, None, :])


@contextmanager
def training_attention(model: PreTrainedModel) -> Iterator[None]:
    """Use `plain_attention` inside the block, for forward passes over whole rows."""
    with _attention(model, NAME):
        yield


@contextmanager
def line_attention(model: PreTrainedModel, positions: Tensor) -> Iterator[None]:
    """Use `packed_attention` inside the block, for a forward pass over packed lines.

    Args:
        model: model whose attention is replaced.
        positions: (n_lines, length) position of each token in its row; padding is at position 0.
    """
    with _placed(positions), _attention(model, PACKED):
        yield


@contextmanager
def decoding_attention(model: PreTrainedModel, positions: Tensor) -> Iterator[None]:
    """Use `cached_attention` inside the block, for a forward pass over new tokens.

    Args:
        model: model whose attention is replaced.
        positions: (batch, n_new) positions of the new tokens in their rows.
    """
    with _placed(positions), _attention(model, CACHED):
        yield


@contextmanager
def _placed(positions: Tensor) -> Iterator[None]:
    token = _positions.set(positions)
    try:
        yield
    finally:
        _positions.reset(token)


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


for _name, _kernel, _mask in (
    (NAME, plain_attention, plain_mask),
    (CACHED, cached_attention, cached_mask),
    (PACKED, packed_attention, packed_mask),
):
    AttentionInterface.register(_name, _kernel)
    AttentionMaskInterface.register(_name, _mask)
