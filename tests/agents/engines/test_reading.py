"""How the engine of this process reads prompts and draws tokens, whatever it does to be fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.agents import Sampling
from anchorgym.agents.engines import drawing, reading, torch_engine
from anchorgym.agents.engines.contract import EngineError, Generation
from anchorgym.agents.engines.reading import blocks, shared_beginnings
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.engines.torch_engine import TorchEngine

N_TOKENS = 40


@pytest.fixture(scope="module", params=[8, 64], ids=["narrow heads", "wide heads"])
def model(request: pytest.FixtureRequest) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=N_TOKENS,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=request.param,
        max_position_embeddings=512,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config).eval()


@given(st.lists(st.integers(1, 60)), st.integers(1, 300))
def test_blocks_hold_every_row_once_within_the_limit(lengths: list[int], most: int) -> None:
    found = blocks(lengths, most)
    assert sorted(i for block in found for i in block) == list(range(len(lengths)))
    for block in found:
        longest = max(lengths[i] for i in block)
        assert len(block) == 1 or longest * len(block) <= most
    if len(found) == 1:
        assert found[0] == list(range(len(lengths)))


@given(st.lists(st.lists(st.integers(0, 1), max_size=120)), st.integers(1, 10**9))
def test_what_is_shared_is_a_beginning_of_an_earlier_prompt(
    prompts: list[list[int]], n_parameters: int
) -> None:
    found = shared_beginnings(dict(enumerate(prompts)), n_parameters)
    for session, (leader, n) in found.items():
        assert leader < session  # type: ignore[operator]
        assert leader not in found
        assert prompts[leader][:n] == prompts[session][:n]  # type: ignore[call-overload]
        assert n < len(prompts[session])  # type: ignore[call-overload]
        assert n * n_parameters >= reading._WORTH - n_parameters


def test_long_equal_prompts_are_shared_and_those_of_small_models_are_not() -> None:
    prompts = {"a": list(range(100)), "b": list(range(100)), "c": [*range(60), 0, 0]}
    assert shared_beginnings(prompts, 10**8) == {"b": ("a", 99), "c": ("a", 60)}
    assert shared_beginnings(prompts, 10**6) == {}


def play(model: LlamaForCausalLM, prompts: Sequence[Sequence[int]]) -> list[list[Generation]]:
    """Play two turns of sessions of different prompts."""
    engine = TorchEngine(model, (1,))
    found: list[list[Generation]] = [[] for _ in prompts]
    for turn in range(2):
        for i, prompt in enumerate(prompts):
            tokens = prompt if turn == 0 else prompt[: 3 + i]
            engine.submit(i, tokens, Sampling(5, seed=10 * turn + i))
        while engine.waiting:
            for key, generation in engine.poll():
                found[key].append(generation)  # type: ignore[call-overload]
    return found


def test_few_tokens_at_a_time_and_beginnings_once_change_no_response(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(3)
    draw = lambda n: torch.randint(2, N_TOKENS, (n,), generator=generator).tolist()  # noqa: E731
    first, second = draw(50), draw(70)
    prompts = [first, first, [*first[:40], *draw(9)], second, draw(4), [*second, *draw(30)], second]
    plain = play(model, prompts)
    monkeypatch.setattr(reading, "_WORTH", 0)
    monkeypatch.setattr(torch_engine, "most_tokens", lambda model: 90)
    read: list[int] = []
    forward = TorchEngine._forward

    def counted(engine: TorchEngine, ids: torch.Tensor) -> torch.Tensor:
        read.append(ids.numel())
        return forward(engine, ids)

    monkeypatch.setattr(TorchEngine, "_forward", counted)
    sparing = play(model, prompts)
    for one, other in zip(plain, sparing, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.tokens == b.tokens
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-5)
    assert max(read) <= 100
    assert sum(read) < 0.75 * (sum(map(len, prompts)) + 2 * 5 * len(prompts)) + 100


@pytest.mark.parametrize("adaptive", [None, AdaptiveTemperature(0.5, 0.0, 1.0, 1.0)])
def test_finished_responses_are_computed_no_further(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch, adaptive: AdaptiveTemperature | None
) -> None:
    sampling = Sampling(24, adaptive=adaptive)
    prompts = [[2 + i, 5, *range(2, 2 + 3 * i)] for i in range(9)]

    def turns(engine: TorchEngine) -> list[list[Generation]]:
        """Play three turns, from the second on without two of the sessions, which stay open."""
        found: list[list[Generation]] = [[] for _ in prompts]
        for turn in range(3):
            for i, prompt in enumerate(prompts):
                if turn == 0 or i not in (0, 4):
                    seed = 100 * turn + i
                    engine.submit(i, prompt[: 9 - turn], replace(sampling, seed=seed))
            while engine.waiting:
                for key, generation in engine.poll():
                    found[key].append(generation)  # type: ignore[call-overload]
        return found

    rows: list[int] = []
    forward = TorchEngine._forward

    def counted(engine: TorchEngine, ids: torch.Tensor) -> torch.Tensor:
        if ids.shape[1] == 1:
            rows.append(len(ids))
        return forward(engine, ids)

    monkeypatch.setattr(TorchEngine, "_forward", counted)
    ends = (1, 4, 7, 9, 20)  # so that responses are of all lengths
    plain = turns(TorchEngine(model, ends))
    before, wide = sum(rows), len(rows)
    rows.clear()
    monkeypatch.setattr(torch_engine, "_WORTH", 0)
    narrowed = turns(TorchEngine(model, ends))
    for one, other in zip(plain, narrowed, strict=True):
        for a, b in zip(one, other, strict=True):
            assert (a.tokens, a.stop) == (b.tokens, b.stop)
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-5)
            assert a.temperatures == pytest.approx(b.temperatures, abs=1e-5)
    lengths = {len(generation.tokens) for of_session in plain for generation in of_session}
    assert len(lengths) > 4
    assert len(rows) == wide
    assert sum(rows) < 0.75 * before


def test_logprobs_are_those_of_the_model_itself(model: LlamaForCausalLM) -> None:
    prompts = [list(range(2, 30)), [5, 6], list(range(3, 20))]
    transcripts: list[list[int]] = [[] for _ in prompts]
    for turn in range(2):
        for i, generations in enumerate(play(model, prompts)):
            read = prompts[i] if turn == 0 else prompts[i][: 3 + i]
            transcripts[i] += read
            begin = len(transcripts[i]) - 1
            generation = generations[turn]
            transcripts[i] += generation.tokens
            with torch.no_grad():
                logits = model(torch.tensor([transcripts[i]])).logits[0]
            table = torch.log_softmax(logits, -1)
            truth = [float(table[begin + n, t]) for n, t in enumerate(generation.tokens)]
            assert generation.logprobs == pytest.approx(truth, abs=1e-5)


@pytest.mark.parametrize("top_p", [0.2, 0.75, 0.999])
def test_a_nucleus_is_the_fewest_likeliest_tokens_of_a_probability(top_p: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(50, 300, generator=generator)
    found = drawing.nucleus(logits, 0.8, top_p)
    for row, kept in zip(torch.softmax(logits / 0.8, -1), found.isfinite(), strict=True):
        inside = row[kept]
        assert inside.sum() >= top_p - 1e-6
        assert inside.sum() - inside.min() < top_p + 1e-6
        assert row[~kept].max() <= inside.min()
    assert torch.equal(found[found.isfinite()], logits[found.isfinite()])


def test_impossible_nuclei_are_refused() -> None:
    for wrong in (0.0, -0.5, 1.5, float("nan")):
        with pytest.raises(EngineError, match="top_p must be above 0"):
            Sampling(4, top_p=wrong)


@pytest.mark.parametrize("n_tokens", [drawing._LARGE, drawing._LARGE + 77])
@pytest.mark.parametrize("temperature", [0, 0.3, 1.0, 2.0])
def test_a_large_vocabulary_is_drawn_from_as_a_small_one(
    n_tokens: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(300, n_tokens, generator=generator)
    logits[:50, 100:8000] = -torch.inf
    logits[50:100, :-1] = -torch.inf
    logits[100:150, 1:] = -torch.inf
    noise = torch.rand(300, dtype=torch.float64, generator=generator)
    noise[0], noise[1] = 0.0, 1 - 2**-53
    token, logprob = drawing.draw(logits.clone(), temperature, noise)
    monkeypatch.setattr(drawing, "_LARGE", 10**9)
    expected, exact = drawing.draw(logits.clone(), temperature, noise)
    assert (token != expected).sum() <= 1  # where noise falls between two tokens but for rounding
    same = token == expected
    assert (logprob - exact)[same].abs().max() < 1e-5
    assert torch.isfinite(logprob).all()
    by_token = torch.rand(300, 1, generator=generator) + 0.5
    if temperature:
        found = drawing._draw_by_blocks(logits, by_token, noise)[1]
        table = torch.log_softmax(logits / by_token, -1)
        assert torch.isfinite(found).all()
        assert (found <= table.amax(-1) + 1e-5).all()
