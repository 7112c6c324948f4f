"""The kernel of a GPU for rows of different lengths that share a line, which needs no padding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from inspect import signature
from itertools import accumulate

import torch
from torch import Tensor

_HALVES = (torch.bfloat16, torch.float16)
_WIDEST = 256
"""Widest heads of the kernel."""


def has_line_kernel(query: Tensor) -> bool:
    """Whether there is a kernel for queries (1, heads, length, width) of their device and type."""
    if not query.is_cuda or query.dtype not in _HALVES or query.shape[-1] > _WIDEST:
        return False
    return _is_there(query.device)


@cache
def _is_there(device: torch.device) -> bool:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:  # in torch 2.9
        return False
    takes = signature(varlen_attn).parameters.keys()
    if not {"scale", "window_size", "enable_gqa"} <= takes:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def attend_on_line(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], scaling: float
) -> Tensor:
    """Attend causally within each of the rows that share a line, without cache.

    Args:
        query: (1, heads, length, width) queries of the line.
        key: (1, kv_heads, length, width) keys, which query heads share in groups.
        value: (1, kv_heads, length, width) values.
        lengths: lengths of the rows, whose sum is that of the line.
        scaling: factor of the scores.

    Returns:
        The mixed values (1, heads, length, width).
    """
    from torch.nn.attention.varlen import varlen_attn

    ends = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=query.device)
    longest = max(lengths)
    mixed = varlen_attn(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        cu_seq_q=ends,
        cu_seq_k=ends,
        max_q=longest,
        max_k=longest,
        scale=scaling,
        window_size=(-1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(mixed, Tensor)
    return mixed.transpose(0, 1)[None]
