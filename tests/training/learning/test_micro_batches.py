"""Memory that training takes, and the parts of a mini-batch that it leaves room for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.training.learning import micro_batches
from anchorgym.training.learning.micro_batches import training_bytes, usual_budget

GIB = 2**30


def large(dtype: torch.dtype) -> Any:
    """A model of 1.5 billion weights that takes no memory."""
    config = LlamaConfig(
        vocab_size=151936,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    with torch.device("meta"):
        return LlamaForCausalLM._from_config(config, dtype=dtype)


def on_a_gpu(model: Any, gib: int, patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(type(model), "device", torch.device("cuda"))
    size = SimpleNamespace(total_memory=gib * GIB)
    patch.setattr(micro_batches.torch.cuda, "get_device_properties", lambda _: size)
    return model


def test_masters_gradients_and_moments_are_counted() -> None:
    half, full = large(torch.bfloat16), large(torch.float32)
    n = half.num_parameters()
    assert 1.5e9 < n < 1.6e9
    assert training_bytes(half) == (2 + 4 + 4 + 8) * n
    assert training_bytes(full) == (4 + 4 + 8) * n
    assert training_bytes(half, copies=1) == 20 * n
    assert training_bytes(half.requires_grad_(False)) == 2 * n


def test_a_gpu_has_room_for_what_training_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    model = on_a_gpu(large(torch.bfloat16), 80, monkeypatch)
    tokens = usual_budget(model)
    used = tokens * micro_batches.activation_bytes(model.config, model.dtype)
    left = 80 * GIB - training_bytes(model)
    assert 0.49 * left < used <= 0.5 * left
    assert usual_budget(model, copies=1) < tokens
    assert tokens > 8000


def test_a_gpu_that_is_too_small_gets_single_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usual_budget(on_a_gpu(large(torch.bfloat16), 24, monkeypatch)) == 1
