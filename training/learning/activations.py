"""The memory of activations, which layers keep of each token for the backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_WIDTHS, _FEED_FORWARD = 18, 4
"""Activations that a layer keeps of a token, in widths of the model and of its feed-forward."""
_COPIES = 3.0
"""The same of a token that the row of a span attends to and another span holds, in widths of its
keys: they are copied, as the values are, and masked."""


def activation_bytes(config: PreTrainedConfig, dtype: torch.dtype) -> int:
    """Return an estimate of the bytes that layers keep of a token for the backward pass."""
    about: Any = config
    return int(about.num_hidden_layers * _kept(config) * dtype.itemsize)


def attended_share(config: PreTrainedConfig) -> float:
    """Return what a token costs again in each further row that it begins, as a share of a token."""
    about: Any = config
    heads = about.num_attention_heads
    width = getattr(about, "head_dim", None) or about.hidden_size // heads
    keys: int = (getattr(about, "num_key_value_heads", None) or heads) * width
    return _COPIES * keys / _kept(config)


def _kept(config: PreTrainedConfig) -> int:
    about: Any = config
    wide = getattr(about, "intermediate_size", None) or 4 * about.hidden_size
    kept: int = _WIDTHS * about.hidden_size + _FEED_FORWARD * wide
    return kept
