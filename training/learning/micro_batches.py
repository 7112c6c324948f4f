"""Parts of a mini-batch that a forward and backward pass has memory for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from anchorgym.agents.engines.lines import line_order, shared_length
from anchorgym.training.learning.activations import activation_bytes
from anchorgym.training.learning.token_batch import Layout, padded_length

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CPU_MEMORY = 3 * 2**29
"""Bytes that activations may take on a CPU."""
_GPU_SHARE = 0.5
"""Share that activations may take of a GPU's memory beside weights and optimizer. The rest is for
logits, for what the allocator cannot use, and for an engine's keys and values."""
_PADDED = Layout()


def training_bytes(model: PreTrainedModel, copies: int = 0) -> int:
    """Return the bytes of weights, float32 masters, gradients and two moments of AdamW.

    Args:
        model: model to train.
        copies: number of further copies of the weights, such as that of a reference model.
    """
    total = 0
    for weight in model.parameters():
        total += weight.nbytes * (1 + copies)
        if weight.requires_grad:
            states = 3 if weight.dtype == torch.float32 else 4  # which is its own master, or not
            total += states * 4 * weight.numel()
    return total


def usual_budget(model: PreTrainedModel, copies: int = 0) -> int:
    """Return the number of tokens whose activations fit into a model's device.

    On a GPU they share what `training_bytes` leaves. It depends on the size of the GPU alone, not
    on what else runs there, so that a run repeats.

    Args:
        model: model to train.
        copies: number of further copies of the weights.
    """
    memory: float = _CPU_MEMORY
    if model.device.type == "cuda":
        whole = torch.cuda.get_device_properties(model.device).total_memory
        memory = _GPU_SHARE * (whole - training_bytes(model, copies))
    return max(1, int(memory / activation_bytes(model.config, model.dtype)))


def micro_batches(
    rows: Sequence[Sequence[int]], budget: int, layout: Layout = _PADDED
) -> list[list[int]]:
    """Split rows into parts of which a model reads at most `budget` tokens, padding included.

    Rows that fit together stay in order; otherwise rows of about equal length share a part, or
    those that share their beginnings. A row that is longer than the budget gets a part of its own.

    Args:
        rows: tokens of each row.
        budget: most tokens of a part.
        layout: how the rows of a part are laid out.

    Returns:
        The indices of the rows of each part.
    """
    order = list(range(len(rows)))
    if layout.size(rows) <= budget:
        return [order]
    order = line_order(rows) if layout.sharing else sorted(order, key=lambda i: len(rows[i]))
    parts: list[list[int]] = [[]]
    filled = shared = 0  # tokens of the last part, and those of them that several rows begin with
    for i in order:
        begun = 0
        if parts[-1] and layout.sharing:
            begun = shared_length(rows[parts[-1][-1]], rows[i])
        if layout.packed:
            size = layout.line_size(filled + len(rows[i]) - begun, shared + begun)
        else:
            size = padded_length(len(rows[i])) * (len(parts[-1]) + 1)
        if parts[-1] and size > budget:
            parts.append([])
            filled = shared = begun = 0
        parts[-1].append(i)
        filled += len(rows[i]) - begun
        shared += begun
    return parts


@contextmanager
def recomputing(model: PreTrainedModel) -> Iterator[None]:
    """Keep only the inputs of layers inside the block, and compute them again going backward.

    The backward pass has to be inside the block too.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    for layer in layers:
        forward: Any = partial(
            checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False
        )
        nn.Module.__setattr__(layer, "forward", forward)
    try:
        yield
    finally:
        for layer in layers:
            nn.Module.__delattr__(layer, "forward")
