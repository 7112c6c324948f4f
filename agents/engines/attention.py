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
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME, CACHED, PACKED = "anchorgym_plain", "anchorgym_cached", "anchorgym_packed"

MaskFunction = Callable[..., Tensor]
"""Whether a query attends to a key, from indices of row, head, query and key that broadcast."""

_positions: ContextVar[Tensor] = ContextVar("positions")
"""Positions (batch, n_new) of the tokens that the present forward pass reads, in their rows."""

_BLOCK = 64
"""Number of queries in a block; a block attends only to keys up to its own end."""


class Inputs(NamedTuple):
    """Inputs of an attention layer; softcap and sinks are None where a family has none."""

    query: Tensor  # (batch, heads, n_new, width)
    key: Tensor  # (batch, kv_heads, n_total, width); query heads share them in groups
    value: Tensor  # (batch, kv_heads, n_total, width)
    allowed: Tensor | None  # bool (batch or 1, 1, n_new, n_total), True where a token may attend
    scaling: float  # factor of the scores
    softcap: float | None  # scores become `softcap * tanh(score / softcap)` (Gemma 2)
    sinks: Tensor | None  # (heads,) score of a further key of each head, whose value is 0 (gpt-oss)

    def attend(self) -> Tensor:
        """Return the mixed values (batch, heads, n_new, width), by plain products."""
        assert self.allowed is not None
        bias = _bias(self.allowed, self.query.dtype)
        return self.attend_with(self.query * self.scaling, self.key, self.value, bias)

    def attend_with(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Return the mixed values of queries that are scaled, with a bias of the scores."""
        batch, heads, n_new, width = query.shape
        kv_heads, n_total = key.shape[1:3]
        # The heads of a group are laid out one after another, and share keys without copies.
        scores = query.reshape(batch, kv_heads, -1, width) @ key.transpose(-1, -2)
        scores = scores.view(batch, heads, n_new, n_total)
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        scores = scores + bias
        if self.sinks is None:
            weights = torch.softmax(scores, -1)
        else:
            last = self.sinks.to(scores.dtype).view(1, -1, 1, 1).expand(batch, heads, n_new, 1)
            weights = torch.softmax(torch.cat([scores, last], -1), -1)[..., :-1]
        mixed = weights.reshape(batch, kv_heads, -1, n_total) @ value
        return mixed.view(batch, heads, n_new, value.shape[-1])

    def attend_fused(self, key: Tensor, value: Tensor) -> Tensor:
        """Return the mixed values (batch, heads, n_new, width), by torch's fused kernel."""
        return functional.scaled_dot_product_attention(
            self.query, key, value, attn_mask=self.allowed, scale=self.scaling
        )

    @property
    def fusible(self) -> bool:
        """Whether the fused kernel can compute the layer: it knows neither softcaps nor sinks."""
        return self.softcap is None and self.sinks is None


def plain_attention(layer: Inputs) -> Tensor:
    """Attend causally over whole rows, without cache (padding comes last).

    Without a mask, a token attends to all tokens up to itself.
    """
    query, key, value, allowed = layer.query, layer.key, layer.value, layer.allowed
    length = query.shape[2]
    mixed = []
    for start in range(0, length, _BLOCK):
        end = start + _BLOCK
        if allowed is None:
            bias = _future(min(_BLOCK, length - start), start, key.dtype, key.device)
        else:
            bias = _bias(allowed[:, :, start:end, :end], key.dtype)
        part = query[:, :, start:end] * layer.scaling
        mixed.append(layer.attend_with(part, key[:, :, :end], value[:, :, :end], bias))
    return torch.cat(mixed, 2)


def cached_attention(layer: Inputs) -> Tensor:
    """Attend to cached keys; the heads of a group share them without copies."""
    if layer.fusible and layer.key.shape[1] == layer.query.shape[1]:
        return layer.attend_fused(layer.key, layer.value)
    return layer.attend()


def packed_attention(layer: Inputs) -> Tensor:
    """Attend within the rows that share a line, without cache."""
    if not layer.fusible:
        return layer.attend()
    heads = layer.query.shape[1] // layer.key.shape[1]  # that share keys and values
    return layer.attend_fused(
        *(of.repeat_interleave(heads, 1) if heads > 1 else of for of in (layer.key, layer.value))
    )


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
    from transformers.masking_utils import causal_mask_function

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
    _register()
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


def _for_transformers(kernel: Callable[[Inputs], Tensor]) -> Callable[..., tuple[Tensor, None]]:
    """Return a kernel as the layers call it: (batch, n_new, heads, width), and no weights."""

    def called(
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
        layer = Inputs(query, key, value, attention_mask, scaling, softcap, s_aux)
        return kernel(layer).transpose(1, 2), None

    return called


@cache
def _register() -> None:
    """Register the kernels and masks with Transformers, on first use: its import takes seconds."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    for name, kernel, mask in (
        (NAME, plain_attention, plain_mask),
        (CACHED, cached_attention, cached_mask),
        (PACKED, packed_attention, packed_mask),
    ):
        AttentionInterface.register(name, _for_transformers(kernel))
        AttentionMaskInterface.register(name, mask)
