"""The engine of this process on a CPU, on a pretended GPU, and on a real one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.agents import Sampling
from anchorgym.agents.engines import attention, torch_engine
from anchorgym.agents.engines.attention import Inputs, cached_attention
from anchorgym.agents.engines.checking import check_engine
from anchorgym.agents.engines.contract import Generation
from anchorgym.agents.engines.drawing import draw, nucleus
from anchorgym.agents.engines.forward import row_states
from anchorgym.agents.engines.lines import Span, apart
from anchorgym.agents.engines.placing import DtypeName, place, placed_engines, resolve_device
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.engines.torch_engine import TorchEngine
from anchorgym.agents.engines.trie import Trie
from anchorgym.training.run.deterministic import deterministic_kernels

EOS = 2


def model_on(device: torch.device, dtype: DtypeName = "float32", width: int = 64) -> Any:
    """A random model with four query heads of a width, which share the keys of two."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=90,
        hidden_size=4 * width,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.04,
        eos_token_id=EOS,
    )
    model = LlamaForCausalLM._from_config(config, attn_implementation="sdpa").eval()
    place(model, str(device), dtype)
    return model


def ask(engine: TorchEngine, **prompts: Sequence[int]) -> dict[str, Generation]:
    for n, (key, tokens) in enumerate(prompts.items()):
        engine.submit(key, tokens, Sampling(5, 0.8, seed=n))
    found: dict[Any, Generation] = {}
    while engine.waiting:
        found.update(engine.poll())
    return found


@torch.no_grad()
def own_logprobs(model: Any, read: Sequence[int], written: Sequence[int]) -> list[float]:
    """Log-probabilities of the last tokens in the model's own forward pass."""
    ids = torch.tensor([[*read, *written]], device=model.device)
    table = torch.log_softmax(model(ids).logits[0].float() / 0.8, -1).cpu()
    return [float(table[len(read) - 1 + i, token]) for i, token in enumerate(written)]


@pytest.mark.parametrize("width", [16, 64])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_logprobs_are_those_of_the_model(
    dtype: DtypeName, width: int, device: torch.device, rounding: float, monkeypatch: Any
) -> None:
    model = model_on(device, dtype, width)
    engine, close = TorchEngine(model, (EOS,)), rounding if dtype == "float32" else 2e-2
    transcripts: dict[str, list[int]] = {}

    def turn(**prompts: list[int]) -> None:
        for key, answer in ask(engine, **prompts).items():
            read = [*transcripts.get(key, []), *prompts[key]]
            assert answer.logprobs == pytest.approx(
                own_logprobs(model, read, answer.tokens), abs=close
            )
            transcripts[key] = [*read, *answer.tokens]

    turn(a=list(range(3, 40)), b=[5, 6, 7], c=[8])
    turn(a=[9, 10], c=list(range(10, 30)))  # not all, and out of step
    engine.fork("a", "d", 20)
    transcripts["d"] = transcripts["a"][:20]
    engine.shelve("b")
    turn(d=[11], b=[12, 13, 14], c=[])
    monkeypatch.setattr(torch_engine, "most_tokens", lambda model: 16)
    turn(e=list(range(3, 20)), f=list(range(4, 15)), g=[5, 6], a=[7])
    engine.free("a")
    turn(b=[15], g=[16])
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 1.1
    engine.load_weights(dict(model.named_parameters()), 1)
    turn(c=[17], d=[18])


def test_responses_repeat_with_their_seeds(device: torch.device) -> None:
    engine = TorchEngine(model_on(device), (EOS,))
    first, again = (ask(engine, **{f"{n}a": [5, 6], f"{n}b": [7]}) for n in range(2))
    assert [a.tokens for a in first.values()] == [a.tokens for a in again.values()]
    assert [a.logprobs for a in first.values()] == [a.logprobs for a in again.values()]


def test_every_way_of_sampling_runs(device: torch.device) -> None:
    engine = TorchEngine(model_on(device), (EOS,))
    trie = Trie.of([[7, 8, EOS], [9, EOS], [7, 6, EOS]])
    adaptive = AdaptiveTemperature(0.5, 0.0, 1.0, 1.0)
    ways = [Sampling(4, 0.0), Sampling(4, top_p=0.5, seed=3), Sampling(4, adaptive=adaptive)]
    for n, sampling in enumerate(ways):
        for allowed in (None, trie):
            key = f"{n}{allowed}"
            engine.submit(key, [5, 6], sampling, allowed)
            ((_, answer),) = engine.poll()
            assert all(math.isfinite(logprob) for logprob in answer.logprobs)
            if allowed is not None:
                assert answer.tokens in ((7, 8, EOS), (9, EOS), (7, 6, EOS))


def test_tokens_of_a_large_vocabulary_are_drawn_by_their_probabilities(
    device: torch.device, rounding: float
) -> None:
    logits = torch.randn(3, 20_000, generator=torch.Generator().manual_seed(0)) * 3
    noise = torch.tensor([0.1, 0.5, 0.999], dtype=torch.float64)
    expected, _ = draw(logits, 0.7, noise)
    tokens, logprobs = draw(logits.to(device), 0.7, noise.to(device))
    assert tokens.tolist() == expected.tolist()
    table = torch.log_softmax(logits / 0.7, -1)
    truth = table.gather(1, expected[:, None])[:, 0]
    assert torch.allclose(logprobs.cpu(), truth, atol=rounding)
    kept = nucleus(logits.to(device), 0.7, 0.5).isfinite().sum(-1)
    assert kept.tolist() == nucleus(logits, 0.7, 0.5).isfinite().sum(-1).tolist()


def test_the_conformance_kit_passes(device: torch.device) -> None:
    report = check_engine(placed_engines(device=str(device), dtype="float32"))
    assert report.ok, report.summary()


@pytest.mark.parametrize("n_new", [1, 3])
def test_new_tokens_attend_under_a_mask_as_plain_products_do(
    n_new: int, device: torch.device, rounding: float
) -> None:
    torch.manual_seed(0)
    shapes = (2, 6, n_new, 64), (2, 2, 9, 64), (2, 2, 9, 64)
    parts = [torch.randn(shape).to(device) for shape in shapes]
    reach = torch.arange(9)
    ends = torch.tensor([4, 9])[:, None] - n_new + torch.arange(n_new)
    allowed: Tensor = (reach <= ends[..., None])[:, None].to(device)
    layer = Inputs(*parts, allowed, 0.2, None, None)
    found = cached_attention(layer)
    assert torch.allclose(found, layer.attend(), atol=rounding)
    assert torch.allclose(layer.attend_grouped(), layer.attend(), atol=rounding)


def test_weights_of_a_folder_are_taken(device: torch.device, tmp_path: Path) -> None:
    model = model_on(device)
    engine = TorchEngine(model, (EOS,))
    (before,) = ask(engine, a=[5, 6, 7]).values()
    other = model_on(torch.device("cpu"))
    with torch.no_grad():
        for weight in other.parameters():
            weight *= 1.3
    other.save_pretrained(tmp_path)
    engine.load_weights(tmp_path, 1)
    (after,) = ask(engine, b=[5, 6, 7]).values()
    assert after.logprobs != before.logprobs
    (expected,) = ask(TorchEngine(other, (EOS,)), b=[5, 6, 7]).values()
    assert after.tokens == expected.tokens
    assert model.device == resolve_device(str(device))


def test_tables_that_are_no_weights_keep_their_precision(device: torch.device) -> None:
    half = model_on(device, "bfloat16")
    full = model_on(torch.device("cpu"))
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    assert {weight.device for weight in half.parameters()} == {device}
    for table, same in zip(half.buffers(), full.buffers(), strict=True):
        assert table.device == device
        assert torch.equal(table.cpu(), same)


class _Watched(torch.autograd.Function):
    """Notes whether the strict mode holds in the backward pass."""

    strict: ClassVar[list[bool]] = []

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        asked = torch.are_deterministic_algorithms_enabled()
        only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
        _Watched.strict.append(asked and not only_warns)
        return slope


@pytest.mark.parametrize("spans", [None, apart((7, 9)), (Span(0, 9), Span(4, 7, ((0, 4),)))])
def test_attention_goes_backward_by_kernels_that_repeat(
    spans: tuple[Span, ...] | None, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_on(device, "bfloat16")
    watch: Any = _Watched.apply
    on_line, fused = attention.attend_on_line, functional.scaled_dot_product_attention

    def watched(kernel: Any) -> Any:
        return lambda *args, **kwargs: watch(kernel(*args, **kwargs))

    monkeypatch.setattr(attention, "attend_on_line", watched(on_line))
    fused_alone = SimpleNamespace(scaled_dot_product_attention=watched(fused))
    monkeypatch.setattr(attention, "functional", fused_alone)
    _Watched.strict.clear()
    rows = torch.arange(3, 19, device=device)[None]
    with deterministic_kernels(str(device)):
        row_states(model, rows, spans).float().square().sum().backward()
        assert torch.is_deterministic_algorithms_warn_only_enabled() == (device.type == "cuda")
    assert len(_Watched.strict) >= model.config.num_hidden_layers
    assert set(_Watched.strict) == {device.type == "cuda"}


def test_gradients_repeat_bit_for_bit(device: torch.device) -> None:
    model = model_on(device, "bfloat16")
    found = []
    for _ in range(2):
        model.zero_grad()
        rows = torch.arange(3, 503, device=device).remainder(90)[None].expand(4, -1)
        with deterministic_kernels(str(device)):
            row_states(model, rows).float().square().sum().backward()
        found.append([weight.grad.clone() for weight in model.model.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
