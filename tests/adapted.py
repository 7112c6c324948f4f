"""Chat models for tests with low-rank adapters (LoRA) that are not those of the beginning."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from anchorgym.agents import ModelPolicy, load_policy
from anchorgym.agents.engines.adapters import adapter_weights


def adapted(model: Path, *, rank: int = 4, std: float = 0.1, seed: int = 1) -> ModelPolicy:
    """Load a model, and add adapters to it that change what it computes."""
    policy = load_policy(model)
    policy.add_adapters(rank, 2 * rank, seed=seed)
    disturb(policy.model, std=std, seed=seed)
    return policy


@torch.no_grad()
def disturb(model: nn.Module, *, std: float, seed: int = 1) -> None:
    """Add noise to the weights of all adapters."""
    generator = torch.Generator().manual_seed(seed)
    for weight in adapter_weights(model).values():
        weight += (std * torch.randn(weight.shape, generator=generator)).to(weight.dtype)
