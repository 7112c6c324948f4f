"""Memory that training takes, and the parts of a mini-batch that it leaves room for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.agents.engines.forward import row_states
from anchorgym.training.learning import micro_batches
from anchorgym.training.learning.micro_batches import training_bytes, usual_budget
from anchorgym.training.learning.token_batch import Lines, layout_of

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


@pytest.mark.parametrize("kv_heads", [1, 3])
@pytest.mark.parametrize("n", [1, 8, 32])
def test_activations_take_the_memory_that_is_counted(kv_heads: int, n: int) -> None:
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=kv_heads,
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(config).bfloat16()
    draw = lambda n: torch.randint(64, (n,)).tolist()  # noqa: E731
    start = draw(400)
    rows = [[*start, *draw(24)] for _ in range(n)]
    layout = layout_of(model, rows, None if n > 1 else True, 10**6)
    assert layout.packed
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        held.append(tensor)
        return tensor

    held: list[torch.Tensor] = list(model.parameters())
    weights = {weight.untyped_storage().data_ptr() for weight in held}
    lines = Lines.of(rows, layout)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states = row_states(model, lines.ids, lines.spans)
    used = sum(size for place, size in kept.items() if place not in weights)
    counted = layout.size(rows) * micro_batches.activation_bytes(config, torch.bfloat16)
    assert 0.5 * counted < used < 1.1 * counted, used / counted
    assert states.isfinite().all()
