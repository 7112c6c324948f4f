"""The attention that training uses against the one that sampling uses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.agents.engines.attention import (
    Inputs,
    line_attention,
    row_attention,
    training_attention,
)
from anchorgym.agents.engines.lines import apart

BATCH, HEADS, LENGTH = 2, 4, 9


def leaves(kv_heads: int, width: int, batch: int = BATCH, length: int = LENGTH) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(batch, heads, length, width, generator=generator).requires_grad_()
        for heads in (HEADS, kv_heads, kv_heads)
    ]


@pytest.mark.parametrize("width", [8, 64])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_values_and_gradients_equal_the_fused_kernel(kv_heads: int, width: int) -> None:
    scale = 0.3
    query, key, value = plain = leaves(kv_heads, width)
    mixed = row_attention(Inputs(query, key, value, None, scale, softcap=None, sinks=None))
    query, key, value = fused = leaves(kv_heads, width)
    truth = functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scale, enable_gqa=True
    )
    assert torch.allclose(mixed, truth, atol=1e-6)
    weight = torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    (mixed * weight).sum().backward()
    (truth * weight).sum().backward()
    for ours, theirs in zip(plain, fused, strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)


@pytest.mark.parametrize(("width", "window"), [(8, None), (64, None), (8, 3), (64, 3)])
def test_rows_of_a_line_attend_to_themselves_alone(width: int, window: int | None) -> None:
    lengths = (5, 1, 12, 2)
    allowed = None
    if window:
        reach = torch.arange(max(lengths))
        allowed = (reach[None] <= reach[:, None]) & (reach[None] > reach[:, None] - window)
        allowed = allowed[None, None]
    query, key, value = line = leaves(2, width, 1, sum(lengths))
    mixed = line_attention(Inputs(query, key, value, allowed, 0.3, None, None), apart(lengths))
    query, key, value = alone = leaves(2, width, 1, sum(lengths))
    truth = []
    for begin, n in zip((0, 5, 6, 18), lengths, strict=True):
        rows = [of[:, :, begin : begin + n] for of in (query, key, value)]
        mask = None if allowed is None else allowed[:, :, :n, :n]
        truth.append(
            functional.scaled_dot_product_attention(
                *rows, attn_mask=mask, is_causal=mask is None, scale=0.3, enable_gqa=True
            )
        )
    assert torch.allclose(mixed, torch.cat(truth, 2), atol=1e-5)
    mixed.square().sum().backward()
    torch.cat(truth, 2).square().sum().backward()
    for ours, theirs in zip(line, alone, strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)


def test_a_model_gives_the_same_logits_and_goes_back_to_its_own_attention() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=20,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            attn_implementation="sdpa",
        )
    )
    ids = torch.randint(0, 20, (3, 11))
    with torch.no_grad():
        truth = model(ids).logits
        with training_attention(model):
            assert model.config._attn_implementation != "sdpa"
            assert torch.allclose(model(ids).logits, truth, atol=1e-5)
    assert model.config._attn_implementation == "sdpa"


def test_an_error_inside_leaves_the_model_as_it_was() -> None:
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=4,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            attn_implementation="sdpa",
        )
    )
    with pytest.raises(KeyboardInterrupt), training_attention(model):
        raise KeyboardInterrupt
    assert model.config._attn_implementation == "sdpa"
