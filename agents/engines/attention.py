"""Causal attention as plain products of matrices, which is fast on a CPU.

The fused CPU kernel has a slow backward pass for small heads, and needs keys that heads share to
be repeated for each head. What a family of models does beside plain causal attention stays: its
masks (windows, chunks) are made by the model itself, at the positions of our tokens, and its scale,
softcap and sinks reach the kernels as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anchorgym.agents.engines.line_kernel import attend_on_line, has_line_kernel
from anchorgym.agents.engines.lines import Span, whole_row
from anchorgym.agents.engines.repeatable import repeatably

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

ROWS, LINE, CACHED = "anchorgym_rows", "anchorgym_line", "anchorgym_cached"
_HALVES = (torch.bfloat16, torch.float16)

MaskFunction = Callable[..., Tensor]
"""Whether a query attends to a key, from indices of row, head, query and key that broadcast."""

_reading: dict[int, Tensor | tuple[Span, ...]] = {}
"""What the present forward pass of a model reads, by the identity of its configuration: positions
(batch, n_new) of new tokens, or the spans of a line. It is no context variable, as a backward pass
on a GPU computes layers again in a thread of its own."""

_BLOCK = 64
"""Number of queries in a block; a block attends only to keys up to its own end."""
_FEW_HEADS = 4
"""Most heads of a group that read shared keys one by one in 16 bits, which is faster for few."""
_FUSED_WIDTH = 64
"""Width of heads from which the fused kernel is as fast on a CPU, and needs much less memory."""


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
        n_new, n_total = self.query.shape[2], self.key.shape[2]
        if self.allowed is None:
            bias = _future(n_new, n_total - n_new, self.key.dtype, self.key.device)
        else:
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

    def attend_fused(self) -> Tensor:
        """Return the mixed values (batch, heads, n_new, width), by torch's fused kernel.

        Without a mask, a token attends to all tokens up to itself.
        """
        mask, n_new, n_total = self.allowed, self.query.shape[2], self.key.shape[2]
        if mask is None and n_new < n_total:
            mask = torch.ones(n_new, n_total, dtype=torch.bool, device=self.key.device)
            mask = mask.tril_(n_total - n_new)
        return functional.scaled_dot_product_attention(
            self.query,
            self.key,
            self.value,
            attn_mask=mask,
            is_causal=mask is None,
            scale=self.scaling,
            enable_gqa=self.query.shape[1] != self.key.shape[1],
        )

    def attend_grouped(self) -> Tensor:
        """Return the mixed values of new tokens under a mask, by torch's fused kernel.

        The heads that share keys are taken as tokens, so that keys are read once for all of them.
        """
        batch, heads, n_new, width = self.query.shape
        kv_heads, n_total = self.key.shape[1:3]
        assert self.allowed is not None
        group = heads // kv_heads
        allowed = self.allowed.expand(batch, group, n_new, n_total)
        mixed = functional.scaled_dot_product_attention(
            self.query.reshape(batch, kv_heads, group * n_new, width),
            self.key,
            self.value,
            attn_mask=allowed.reshape(batch, 1, group * n_new, n_total),
            scale=self.scaling,
        )
        return mixed.reshape(batch, heads, n_new, -1)

    @property
    def fusible(self) -> bool:
        """Whether the fused kernel can compute the layer: it knows neither softcaps nor sinks."""
        return self.softcap is None and self.sinks is None

    @property
    def fuses(self) -> bool:
        """Whether the fused kernel is the better one."""
        wide = self.query.is_cuda or self.query.shape[-1] >= _FUSED_WIDTH
        return self.fusible and wide


def row_attention(layer: Inputs) -> Tensor:
    """Attend causally over whole rows, or the last tokens of them, without cache.

    Padding comes last. Without a mask, a token attends to all tokens up to itself.
    """
    if not layer.fuses:
        return _blocked_attention(layer)

    def kernel(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return layer._replace(query=query, key=key, value=value).attend_fused()

    return repeatably(kernel, layer.query, layer.key, layer.value)


def _blocked_attention(layer: Inputs) -> Tensor:
    query, key, value, allowed = layer.query, layer.key, layer.value, layer.allowed
    n_new = query.shape[2]
    earlier = key.shape[2] - n_new
    mixed = []
    for start in range(0, n_new, _BLOCK):
        end = min(start + _BLOCK, n_new)
        reach = earlier + end
        if allowed is None:
            bias = _future(end - start, earlier + start, key.dtype, key.device)
        else:
            bias = _bias(allowed[:, :, start:end, :reach], key.dtype)
        part = query[:, :, start:end] * layer.scaling
        mixed.append(layer.attend_with(part, key[:, :, :reach], value[:, :, :reach], bias))
    return torch.cat(mixed, 2)


def cached_attention(layer: Inputs) -> Tensor:
    """Attend to cached keys; the heads of a group share them without copies.

    The kernels of a GPU that take a mask copy keys that heads share for each head.
    """
    if layer.fuses and layer.query.is_cuda and layer.allowed is not None:
        return layer.attend_grouped()
    if layer.fuses and layer.allowed is not None and layer.query.shape[2] == 1:
        few = layer.query.shape[1] <= _FEW_HEADS * layer.key.shape[1]
        half = layer.query.dtype in _HALVES
        return layer.attend_fused() if half and few else layer.attend_grouped()
    if layer.fuses or (layer.fusible and layer.key.shape[1] == layer.query.shape[1]):
        return layer.attend_fused()
    return layer.attend()


def line_attention(layer: Inputs, spans: Sequence[Span]) -> Tensor:
    """Attend within each of the rows that share a line, without cache.

    Args:
        layer: inputs of one line; its mask, if any, is that of the longest row.
        spans: what the line consists of.
    """
    query, lengths = layer.query, [span.length for span in spans]
    plain = layer.fusible and layer.allowed is None and not any(span.before for span in spans)
    if plain and has_line_kernel(query):
        kernel = partial(attend_on_line, lengths=lengths, scaling=layer.scaling)
        return repeatably(kernel, query, layer.key, layer.value)
    queries, keys, values = (of.split(lengths, 2) for of in (query, layer.key, layer.value))
    mixed = []
    for n, span in enumerate(spans):
        end, allowed = span.begin + span.length, layer.allowed
        if allowed is not None:
            allowed = allowed[:, :, span.begin : end, :end]
        key, value = (whole_row(of, n, span) for of in (keys, values))
        mixed.append(
            row_attention(layer._replace(query=queries[n], key=key, value=value, allowed=allowed))
        )
    return torch.cat(mixed, 2)


def _bias(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """Return minus infinity where a token may not attend, and 0 elsewhere."""
    return torch.zeros_like(allowed, dtype=dtype).masked_fill_(~allowed, float("-inf"))


def row_mask(
    *, q_length: int, mask_function: MaskFunction, device: torch.device, **kwargs: Any
) -> Tensor | None:
    """Return a model's own mask over whole rows; None if it is the plain causal one.

    Args:
        q_length: length of the rows.
        mask_function: the model's rule, made by `transformers.masking_utils`.
        device: device of the mask.
    """
    return None if _is_plain(mask_function) else _own_mask(mask_function, 0, q_length, device)


def cached_mask(
    *,
    kv_length: int,
    mask_function: MaskFunction,
    device: torch.device,
    config: PreTrainedConfig,
    **kwargs: Any,
) -> Tensor | None:
    """Return a model's own mask (batch, 1, n_new, n_total) of new tokens over cached ones.

    It is None if it is the plain causal one of rows without cached tokens, and heads are wide.

    Args:
        kv_length: number of cached positions, those of the new tokens included.
        mask_function: the model's rule, made by `transformers.masking_utils`.
        device: device of the mask.
        config: the model's configuration.
    """
    positions = cast(Tensor, _reading[id(config)])
    if positions.shape[1] == kv_length and _is_plain(mask_function) and is_wide(config):
        return None
    rows = torch.arange(len(positions), device=device)[:, None, None, None]
    reach = torch.arange(kv_length, device=device)[None, None, None]
    return mask_function(rows, torch.zeros_like(rows), positions[:, None, :, None], reach)


def line_mask(
    *, mask_function: MaskFunction, device: torch.device, config: PreTrainedConfig, **kwargs: Any
) -> Tensor | None:
    """Return a model's own mask of the longest row of a line; None if it is the causal one.

    The masks of shorter rows are the upper left parts of it.

    Args:
        mask_function: the model's rule, made by `transformers.masking_utils`, which knows where
            the rows of the line begin.
        device: device of the mask.
        config: the model's configuration.
    """
    lengths = [span.length for span in cast("tuple[Span, ...]", _reading[id(config)])]
    longest = max(lengths)
    begin = sum(lengths[: lengths.index(longest)])
    allowed = _own_mask(mask_function, begin, longest, device)
    causal = torch.ones_like(allowed[0, 0]).tril()
    return None if bool((allowed[0, 0] == causal).all()) else allowed


def _is_plain(mask_function: MaskFunction) -> bool:
    """Whether a model's rule is the causal one."""
    from transformers.masking_utils import causal_mask_function

    plain: object = causal_mask_function
    return mask_function is plain


def is_wide(config: PreTrainedConfig) -> bool:
    """Whether heads are wide enough for the fused kernel on a CPU."""
    about: Any = config
    width = getattr(about, "head_dim", None) or about.hidden_size // about.num_attention_heads
    return bool(width >= _FUSED_WIDTH)


def _own_mask(mask_function: MaskFunction, begin: int, length: int, device: torch.device) -> Tensor:
    """Return a model's own mask (1, 1, length, length) of a row that begins at an index."""
    reach = torch.arange(begin, begin + length, device=device)
    first = torch.zeros(1, 1, 1, 1, dtype=torch.long, device=device)
    allowed = mask_function(first, first, reach[None, None, :, None], reach[None, None, None, :])
    return allowed.expand(1, 1, length, length)


@contextmanager
def training_attention(
    model: PreTrainedModel, spans: Sequence[Span] | None = None
) -> Iterator[None]:
    """Use attention over whole rows inside the block, in forward and backward passes.

    Args:
        model: model whose attention is replaced.
        spans: what a line of several rows consists of; None for one row a line.
    """
    if spans is None:
        with _attention(model, ROWS):
            yield
    else:
        with _read(model, tuple(spans)), _attention(model, LINE):
            yield


@contextmanager
def decoding_attention(model: PreTrainedModel, positions: Tensor) -> Iterator[None]:
    """Use `cached_attention` inside the block, for a forward pass over new tokens.

    Args:
        model: model whose attention is replaced.
        positions: (batch, n_new) positions of the new tokens in their rows.
    """
    with _read(model, positions), _attention(model, CACHED):
        yield


@contextmanager
def _read(model: PreTrainedModel, what: Tensor | tuple[Span, ...]) -> Iterator[None]:
    key = id(model.config)
    before = _reading.get(key)
    _reading[key] = what
    try:
        yield
    finally:
        if before is None:
            del _reading[key]
        else:
            _reading[key] = before


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


Kernel = Callable[[Inputs, "PreTrainedConfig"], Tensor]


def _for_transformers(kernel: Kernel) -> Callable[..., tuple[Tensor, None]]:
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
        return kernel(layer, cast(Any, module).config).transpose(1, 2), None

    return called


def _of_line(layer: Inputs, config: PreTrainedConfig) -> Tensor:
    return line_attention(layer, cast("tuple[Span, ...]", _reading[id(config)]))


@cache
def _register() -> None:
    """Register the kernels and masks with Transformers, on first use: its import takes seconds."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    kernels: dict[str, tuple[Kernel, Callable[..., Tensor | None]]] = {
        ROWS: (lambda layer, config: row_attention(layer), row_mask),
        LINE: (_of_line, line_mask),
        CACHED: (lambda layer, config: cached_attention(layer), cached_mask),
    }
    for name, (kernel, mask) in kernels.items():
        AttentionInterface.register(name, _for_transformers(kernel))
        AttentionMaskInterface.register(name, mask)
