"""A causal model's forward pass in two halves, so that logits are computed only where needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from anchorgym.agents.engines.attention import training_attention
from anchorgym.agents.engines.lines import Span, positions_of
from anchorgym.agents.engines.placing import has_fast_bfloat16

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


def fast_precision() -> AbstractContextManager[Any]:
    """Compute matrix products in bfloat16, over weights of float32, if the processor has it."""
    if has_fast_bfloat16(torch.device("cpu")):
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def hidden_states(model: PreTrainedModel, ids: Tensor | None = None, **kwargs: Any) -> Tensor:
    """Return the last hidden states (batch, length, width) of token ids (batch, length)."""
    body = cast(Any, model.base_model)
    return cast(Tensor, body(input_ids=ids, **kwargs).last_hidden_state)


def row_states(model: PreTrainedModel, ids: Tensor, spans: Sequence[Span] | None = None) -> Tensor:
    """Return the last hidden states (n_lines, length, width) of whole rows, for training.

    Args:
        model: a causal language model.
        ids: (n_lines, length) tokens. Padding comes last and attention is causal, so padding needs
            no mask.
        spans: what a line of several rows consists of, which attend to none but their own tokens;
            None for one row a line.
    """
    with training_attention(model, spans):
        if spans is None:
            return hidden_states(model, ids, use_cache=False)
        positions = positions_of(spans).to(ids.device)[None]
        return hidden_states(model, ids, use_cache=False, position_ids=positions)


def token_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Return float32 logits (…, n_tokens) at hidden states (…, width).

    They are scaled and bounded as the model's configuration says: divided by `logits_scaling`
    (Granite), multiplied by `logit_scale` (Cohere), and bounded by `final_logit_softcapping`
    (Gemma), in the order in which each family does it.
    """
    config: Any = model.config
    head = cast(Any, model.get_output_embeddings())
    logits = cast(Tensor, head(hidden))
    if divisor := getattr(config, "logits_scaling", None):
        logits = logits / divisor
    if (factor := getattr(config, "logit_scale", None)) is not None:
        logits = logits * factor
    if bound := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / bound) * bound
    return logits.float()


def position_limit(config: PreTrainedConfig) -> int | None:
    """Return the number of positions at which a model gives one answer; None if it has no limit.

    Rotary embeddings that stretch with the length of the whole batch (`dynamic`, `longrope`) turn
    every token otherwise beyond the length of their training, also those that are cached: that
    length is their limit.
    """
    limits = [getattr(config, "max_position_embeddings", None)]
    rope = getattr(config, "rope_parameters", None) or {}
    for kind in (rope, *(part for part in rope.values() if isinstance(part, dict))):
        if kind.get("rope_type") in ("dynamic", "longrope"):
            limits.append(kind.get("original_max_position_embeddings"))
            limits.append(getattr(config, "original_max_position_embeddings", None))
    known = [limit for limit in limits if isinstance(limit, int)]
    return min(known, default=None)
