"""The two halves of a causal model's forward pass: logits are only needed where one looks."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor
from transformers import PreTrainedModel


def hidden_states(model: PreTrainedModel, ids: Tensor | None = None, **kwargs: Any) -> Tensor:
    """Return the last hidden states (batch, length, width) of token ids (batch, length)."""
    body = cast(Any, model.base_model)
    return cast(Tensor, body(input_ids=ids, **kwargs).last_hidden_state)


def token_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Return float32 logits (…, n_tokens) at hidden states (…, width)."""
    head = cast(Any, model.get_output_embeddings())
    return cast(Tensor, head(hidden)).float()
