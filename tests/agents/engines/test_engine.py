"""The embedded engine against plain recomputation of the same transcripts."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.agents import Sampling, TorchEngine, Trie
from anchorgym.agents.engines.contract import EngineError

VOCABULARY, EOS = 50, 1


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            attn_implementation="sdpa",
        )
    ).eval()


def recompute(model: LlamaForCausalLM, tokens: list[int], temperature: float) -> torch.Tensor:
    """Log-probability of every token given those before it, without any cache."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([tokens])).logits[0].float() / temperature
    return torch.log_softmax(logits[:-1], -1).gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_sampled_logprobs_equal_recomputation_over_many_ragged_turns(
    model: LlamaForCausalLM, temperature: float
) -> None:
    rng = random.Random(1)
    engine = TorchEngine(model, EOS, seed=3)
    sampling = Sampling(max_tokens=6, temperature=temperature)
    transcripts: dict[int, list[int]] = {k: [] for k in range(7)}
    sampled: dict[int, list[tuple[int, float]]] = {k: [] for k in transcripts}
    live = list(transcripts)
    for _ in range(12):
        rng.shuffle(live)
        asked = live[: rng.randint(1, len(live))]
        for key in asked:
            chunk = [rng.randrange(2, VOCABULARY) for _ in range(rng.randint(1, 40))]
            engine.submit(key, chunk, sampling)
            transcripts[key] += chunk
        for key, generation in engine.poll():
            for token, logprob in zip(generation.tokens, generation.logprobs, strict=True):
                sampled[key].append((len(transcripts[key]), logprob))
                transcripts[key].append(token)
            assert (generation.stop == "eos") == (generation.tokens[-1] == EOS)
        if len(live) > 3 and rng.random() < 0.3:
            gone = live.pop()
            engine.free(gone)
    for key, tokens in transcripts.items():
        if not tokens:
            continue
        truth = recompute(model, tokens, temperature)
        for position, logprob in sampled[key]:
            assert logprob == pytest.approx(truth[position - 1].item(), abs=1e-5)


def test_greedy_takes_the_most_likely_token(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, EOS)
    engine.submit("a", [5, 6, 7], Sampling(max_tokens=1, temperature=0))
    (_, generation), *_ = engine.poll()
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1].argmax().item()
    assert generation.tokens == (expected,)


def test_equal_seeds_sample_equal_tokens(model: LlamaForCausalLM) -> None:
    def play(seed: int) -> list[tuple[int, ...]]:
        engine = TorchEngine(model, EOS, seed=seed)
        for key in range(4):
            engine.submit(key, [key + 2, 9], Sampling(max_tokens=8))
        return [generation.tokens for _, generation in engine.poll()]

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_a_transcript_outlives_the_cache_of_older_weights(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, EOS)
    engine.submit("a", [5, 6, 7], Sampling(max_tokens=2))
    (_, first), *_ = engine.poll()
    read = [5, 6, 7, *first.tokens, 8]
    engine.load_weights(1)
    engine.submit("a", [8], Sampling(max_tokens=1, temperature=0))
    (_, generation), *_ = engine.poll()
    truth = recompute(model, [*read, generation.tokens[0]], 1.0)
    assert generation.logprobs[0] == pytest.approx(truth[-1].item(), abs=1e-5)


def test_a_freed_session_is_not_answered(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, EOS)
    engine.submit("a", [5], Sampling())
    engine.submit("b", [6], Sampling())
    engine.free("a")
    assert [key for key, _ in engine.poll()] == ["b"]
    engine.free("a")


@pytest.mark.parametrize(("tokens", "said"), [([], "no tokens"), ([5] * 2047, "positions")])
def test_requests_that_cannot_be_answered_are_refused(
    model: LlamaForCausalLM, tokens: list[int], said: str
) -> None:
    with pytest.raises(EngineError, match=said):
        TorchEngine(model, EOS).submit("a", tokens, Sampling())


def test_a_session_waits_for_one_response_at_a_time(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, EOS)
    engine.submit("a", [5], Sampling())
    with pytest.raises(ValueError, match="already waits"):
        engine.submit("a", [6], Sampling())


@pytest.mark.parametrize("bad", [{"max_tokens": 0}, {"temperature": -1.0}])
def test_impossible_sampling_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least"):
        Sampling(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("temperature", [1.0, 0.0])
def test_a_constrained_response_is_one_of_those_allowed_with_its_probability_among_them(
    model: LlamaForCausalLM, temperature: float
) -> None:
    allowed = [[7, 8, EOS], [7, 9, 9, EOS], [12, EOS]]
    engine = TorchEngine(model, EOS, seed=1)
    for key in range(30):
        engine.submit(key, [5, 6 + key], Sampling(6, temperature), Trie.of(allowed))
    engine.submit("free", [5, 6], Sampling(6, temperature))
    answers = dict(engine.poll())
    assert answers.pop("free").allowed == ()
    for key, generation in answers.items():
        assert list(generation.tokens) in allowed
        assert generation.stop == "eos"
        read = [5, 6 + key]
        for token, logprob, among in zip(
            generation.tokens, generation.logprobs, generation.allowed, strict=True
        ):
            with torch.no_grad():
                logits = model(torch.tensor([read])).logits[0, -1].float() / (temperature or 1.0)
            share = torch.log_softmax(logits[list(among)], -1)[among.index(token)]
            assert logprob == pytest.approx(share.item(), abs=1e-5)
            read.append(token)
    assert len({generation.tokens for generation in answers.values()}) > 1


def test_a_fork_goes_on_from_the_same_transcript(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, EOS)
    engine.submit("a", [5, 6, 7], Sampling(max_tokens=2))
    (_, first), *_ = engine.poll()
    engine.fork("a", "b")
    read = [5, 6, 7, *first.tokens]
    for key, token in (("b", 20), ("a", 21)):
        engine.submit(key, [token], Sampling(max_tokens=1, temperature=0))
    for key, generation in engine.poll():
        truth = recompute(model, [*read, 20 if key == "b" else 21, *generation.tokens], 1.0)
        assert generation.logprobs[0] == pytest.approx(truth[-1].item(), abs=1e-5)


def test_only_a_session_that_is_open_and_answered_is_forked(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, EOS)
    with pytest.raises(EngineError, match="not open"):
        engine.fork("a", "b")
    engine.submit("a", [5], Sampling())
    with pytest.raises(EngineError, match="waits"):
        engine.fork("a", "b")
    engine.poll()
    with pytest.raises(EngineError, match="exists"):
        engine.fork("a", "a")


def test_batches_are_bounded_and_every_session_is_answered(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, EOS, max_batch=3)
    for key in range(8):
        engine.submit(key, [5 + key], Sampling(2, 0))
    sizes, answers = [], {}
    while ready := engine.poll():
        sizes.append(len(ready))
        answers.update(ready)
    assert sizes == [3, 3, 2]
    alone = TorchEngine(model, EOS)
    alone.submit("x", [9], Sampling(2, 0))
    assert alone.poll()[0][1].tokens == answers[4].tokens


def test_responses_tell_which_weights_wrote_them(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, EOS)
    engine.load_weights(3)
    engine.submit("a", [5], Sampling())
    assert engine.poll()[0][1].version == 3
