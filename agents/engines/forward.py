"""A causal model's forward pass in two halves, so that logits are computed only where needed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel


def fast_precision() -> AbstractContextManager[Any]:
    """Compute in bfloat16 if the processor has it; emulated, it is 8 times slower than float32."""
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def hidden_states(model: PreTrainedModel, ids: Tensor | None = None, **kwargs: Any) -> Tensor:
    """Return the last hidden states (batch, length, width) of token ids (batch, length)."""
    body = cast(Any, model.base_model)
    return cast(Tensor, body(input_ids=ids, **kwargs).last_hidden_state)


def token_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Return float32 logits (…, n_tokens) at hidden states (…, width)."""
    head = cast(Any, model.get_output_embeddings())
    return cast(Tensor, head(hidden)).float()
