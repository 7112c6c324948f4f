"""The embedded engine against plain recomputation of the same transcripts."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.agents import Sampling, TorchEngine, Trie
from anchorgym.agents.engines.answering import Request, answer_all
from anchorgym.agents.engines.contract import EngineError, WeightsError
from anchorgym.agents.engines.temperature import AdaptiveTemperature

VOCABULARY, EOS = 50, 1


def small_config(kv_heads: int = 2) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(small_config()).eval()


def scaled(model: LlamaForCausalLM, factor: float = 1.5) -> LlamaForCausalLM:
    """Other weights of the same shapes."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(factor)
    return other


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
    engine = TorchEngine(model, (EOS,))
    sampling = Sampling(max_tokens=6, temperature=temperature)
    transcripts: dict[int, list[int]] = {k: [] for k in range(7)}
    sampled: dict[int, list[tuple[int, float]]] = {k: [] for k in transcripts}
    live = list(transcripts)
    for _ in range(12):
        rng.shuffle(live)
        asked = live[: rng.randint(1, len(live))]
        for key in asked:
            chunk = [rng.randrange(2, VOCABULARY) for _ in range(rng.randint(1, 40))]
            engine.submit(key, chunk, sampling.derived(key, len(transcripts[key])))
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
    engine = TorchEngine(model, (EOS,))
    engine.submit("a", [5, 6, 7], Sampling(max_tokens=1, temperature=0))
    (_, generation), *_ = engine.poll()
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1].argmax().item()
    assert generation.tokens == (expected,)


def test_equal_seeds_sample_equal_tokens(model: LlamaForCausalLM) -> None:
    def play(seed: int) -> list[tuple[int, ...]]:
        engine = TorchEngine(model, (EOS,))
        for key in range(4):
            engine.submit(key, [key + 2, 9], Sampling(max_tokens=8, seed=seed))
        return [generation.tokens for _, generation in engine.poll()]

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_a_transcript_outlives_the_weights_that_it_was_read_with(model: LlamaForCausalLM) -> None:
    mine, theirs = copy.deepcopy(model), scaled(model)
    engine = TorchEngine(mine, (EOS,))
    for key in ("a", "b"):
        engine.submit(key, [5, 6, 7], Sampling(max_tokens=2))
    read = {key: [5, 6, 7, *first.tokens, 8] for key, first in engine.poll()}
    engine.shelve("b")
    engine.load_weights(theirs.state_dict(), 1)
    engine.fork("b", "c")
    read["c"] = read["b"]
    for key in ("a", "c"):
        engine.submit(key, [8], Sampling(max_tokens=1, temperature=0))
    for key, generation in engine.poll():
        written = [*read[key], *generation.tokens]
        now, before = (recompute(one, written, 1.0)[-1].item() for one in (theirs, model))
        assert generation.logprobs[0] == pytest.approx(now, abs=1e-5)
        assert abs(now - before) > 0.01, "stale keys and values would be seen"
        assert generation.version == 1


def test_weights_in_place_are_seen_when_their_version_is_told(model: LlamaForCausalLM) -> None:
    mine = copy.deepcopy(model)
    engine = TorchEngine(mine, (EOS,))
    engine.submit("a", [5, 6, 7], Sampling(max_tokens=2))
    (_, first), *_ = engine.poll()
    mine.load_state_dict(scaled(model).state_dict())  # as an optimizer does
    engine.load_weights(dict(mine.named_parameters()), 0)
    engine.submit("a", [8], Sampling(max_tokens=1, temperature=0))
    (_, generation), *_ = engine.poll()
    truth = recompute(mine, [5, 6, 7, *first.tokens, 8, *generation.tokens], 1.0)
    assert generation.logprobs[0] == pytest.approx(truth[-1].item(), abs=1e-5)


def test_a_response_before_the_weights_are_told_does_not_outlive_it(
    model: LlamaForCausalLM,
) -> None:
    """An optimizer changes shared weights in place; what is told later is right from then on."""
    mine = copy.deepcopy(model)
    engine = TorchEngine(mine, (EOS,))
    engine.submit("a", [5, 6, 7], Sampling(max_tokens=2, temperature=0))
    ((_, first),) = engine.poll()
    mine.load_state_dict(scaled(model, 3.0).state_dict())
    engine.submit("a", [8], Sampling(max_tokens=2, temperature=0))  # read with old and new ones
    ((_, between),) = engine.poll()
    engine.load_weights(dict(mine.named_parameters()), 1)
    read = [5, 6, 7, *first.tokens, 8, *between.tokens, 9]
    engine.submit("a", [9], Sampling(max_tokens=1, temperature=0))
    ((_, generation),) = engine.poll()
    now, before = (
        recompute(one, [*read, *generation.tokens], 1.0)[-1].item() for one in (mine, model)
    )
    assert abs(now - before) > 0.01
    assert generation.logprobs[0] == pytest.approx(now, abs=1e-5)
    assert (between.version, generation.version) == (0, 1)


def test_weights_of_another_model_change_nothing(model: LlamaForCausalLM, tmp_path: Path) -> None:
    mine = copy.deepcopy(model)
    engine = TorchEngine(mine, (EOS,))
    fresh = {name: tensor + 1 for name, tensor in model.named_parameters()}
    name = "model.norm.weight"
    for wrong, said in (
        (
            {key: tensor for key, tensor in fresh.items() if key != name},
            "missing, such as 'model.n",
        ),
        ({**fresh, "model.norm.bias": fresh[name]}, "unknown, such as 'model.norm.bias'"),
        ({**fresh, name: fresh[name][:3]}, r"another shape.*\(3,\), not \(32,\)"),
    ):
        with pytest.raises(WeightsError, match=said):
            engine.load_weights(wrong, 1)
    with pytest.raises(WeightsError, match="holds no weights"):
        engine.load_weights(tmp_path, 1)
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(WeightsError, match="cannot be read"):
        engine.load_weights(tmp_path, 1)
    assert engine.version == 0
    for name, tensor in model.named_parameters():
        assert torch.equal(tensor, mine.get_parameter(name))


def test_a_freed_session_is_not_answered(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, (EOS,))
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
        TorchEngine(model, (EOS,)).submit("a", tokens, Sampling())


def test_a_session_waits_for_one_response_at_a_time(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, (EOS,))
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
    engine = TorchEngine(model, (EOS,))
    for key in range(30):
        sampling = Sampling(6, temperature, seed=key)
        engine.submit(key, [5, 6 + key], sampling, Trie.of(allowed))
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
    engine = TorchEngine(model, (EOS,))
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
    engine = TorchEngine(model, (EOS,))
    with pytest.raises(EngineError, match="not open"):
        engine.fork("a", "b")
    engine.submit("a", [5], Sampling())
    with pytest.raises(EngineError, match="waits"):
        engine.fork("a", "b")
    engine.poll()
    with pytest.raises(EngineError, match="exists"):
        engine.fork("a", "a")


def test_batches_are_bounded_and_every_session_is_answered(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, (EOS,), max_batch=3)
    for key in range(8):
        engine.submit(key, [5 + key], Sampling(2, 0))
    sizes, answers = [], {}
    while ready := engine.poll():
        sizes.append(len(ready))
        answers.update(ready)
    assert sizes == [3, 3, 2]
    alone = TorchEngine(model, (EOS,))
    alone.submit("x", [9], Sampling(2, 0))
    assert alone.poll()[0][1].tokens == answers[4].tokens


def test_responses_tell_which_weights_wrote_them(model: LlamaForCausalLM) -> None:
    engine = TorchEngine(model, (EOS,))
    engine.load_weights(model.state_dict(), 3)
    engine.submit("a", [5], Sampling())
    assert engine.poll()[0][1].version == 3


@pytest.mark.parametrize("heads", [4, 2])
def test_a_model_of_another_precision_keeps_its_cache_in_it(heads: int) -> None:
    torch.manual_seed(0)
    half = LlamaForCausalLM(small_config(heads)).eval().to(torch.bfloat16)
    engine = TorchEngine(half, (EOS,))
    read: list[int] = []
    for token in (8, 9, 10):
        engine.submit("a", [token], Sampling(max_tokens=4, temperature=0))
        ((_, generation),) = engine.poll()
        read.append(token)
        logprobs = recompute(half, [*read, *generation.tokens], 1.0)[-len(generation.tokens) :]
        assert torch.allclose(torch.tensor(generation.logprobs), logprobs, atol=0.06)
        read += generation.tokens
    assert {buffer.dtype for buffer in engine._cache._buffers} == {torch.bfloat16}


def test_every_tensor_of_the_engine_is_on_the_device_of_the_model(model: LlamaForCausalLM) -> None:
    """Where another device is the default one, whatever does not say its own lands there."""
    engine = TorchEngine(copy.deepcopy(model), (EOS,))
    with torch.device("meta"):
        for key, tokens in ((0, [5, 6, 7]), (1, [8])):
            engine.submit(key, tokens, Sampling(4), Trie.of([[7, 8, EOS], [9, EOS]]))
        engine.poll()
        engine.fork(0, 2)
        engine.shelve(1)
        engine.free(0)
        engine.submit(2, [5], Sampling(4))
        assert len(engine.poll()) == 1


def test_a_model_that_was_moved_is_read_anew(model: LlamaForCausalLM) -> None:
    mine = copy.deepcopy(model)
    engine = TorchEngine(mine, (EOS,))
    engine.submit("a", [5, 6, 7], Sampling(2))
    engine.poll()
    mine.double()
    engine.submit("a", [8], Sampling(2))
    assert engine.poll()
    assert {buffer.dtype for buffer in engine._cache._buffers} == {torch.float64}


def test_nothing_of_what_was_played_before_is_seen_after_the_last_session_is_freed(
    model: LlamaForCausalLM,
) -> None:
    used, new = (TorchEngine(model, (EOS,)) for _ in range(2))
    for key in range(9):
        used.submit(key, [5] * (600 if key == 4 else 3), Sampling(2))
    used.poll()
    used.shelve(0)
    for key in range(9):
        used.free(key)
    for engine in (used, new):
        for key in range(4):
            engine.submit(key, [5 + key, 6], Sampling(6))
    assert used.poll() == new.poll()
    assert [b.shape for b in used._cache._buffers] == [b.shape for b in new._cache._buffers]


def test_a_session_goes_on_without_new_tokens(model: LlamaForCausalLM) -> None:
    """After a response that was cut, a cancelled request, or in a fork at any place."""
    engine = TorchEngine(model, (EOS,))
    engine.submit("a", [5, 6, 7], Sampling(3, 0))
    ((_, whole),) = engine.poll()
    engine.submit("b", [5, 6, 7], Sampling(1, 0))
    engine.cancel("b")
    written: list[int] = []
    for _ in range(3):
        engine.submit("b", [], Sampling(1, 0))
        written += engine.poll()[0][1].tokens
    engine.fork("a", "c", 3)
    engine.submit("c", [], Sampling(3, 0))
    assert tuple(written) == whole.tokens == engine.poll()[0][1].tokens


def test_a_response_depends_on_its_seed_and_prompt_whatever_else_is_sampled(
    model: LlamaForCausalLM,
) -> None:
    adaptive = AdaptiveTemperature(0.5, 0.0, 1.0, 1.0)
    for base in (Sampling(8), Sampling(8, 0.7), Sampling(8, adaptive=adaptive)):
        alone = []
        for seed in range(6):
            engine = TorchEngine(model, (EOS,))
            engine.submit("x", [5, 6, 7], base.derived(seed))
            alone.append(engine.poll()[0][1].tokens)
        together = TorchEngine(model, (EOS,), max_batch=4)
        for seed in range(6):
            together.submit(("other", seed), [9] * (seed + 1), base.derived("other", seed))
            together.submit(seed, [5, 6, 7], base.derived(seed))
        answers = {}
        while together.waiting:
            answers.update(together.poll())
        assert [answers[seed].tokens for seed in range(6)] == alone
        assert len(set(alone)) > 1


@pytest.mark.parametrize(
    ("sampling", "allowed"),
    [
        (Sampling(1), None),
        (Sampling(1, 0.5), None),
        (Sampling(1), [[token] for token in (7, 8, 9, 20)]),
        (Sampling(1, adaptive=AdaptiveTemperature(0.5, 0.0, 1.0, 1.0)), None),
    ],
)
def test_tokens_are_as_frequent_as_their_probabilities(
    model: LlamaForCausalLM, sampling: Sampling, allowed: list[list[int]] | None
) -> None:
    engine, n = TorchEngine(scaled(model, 6.0), (EOS,), max_batch=1000), 4000
    trie = None if allowed is None else Trie.of(allowed)
    answers = answer_all(
        engine, [Request(i, [5, 6, 7], sampling.derived(i), trie) for i in range(n)]
    )
    counts, chances = np.zeros(VOCABULARY), np.zeros(VOCABULARY)
    for answer in answers.values():
        counts[answer.tokens[0]] += 1
        chances[answer.tokens[0]] = np.exp(answer.logprobs[0])
    assert chances.sum() == pytest.approx(1.0, abs=0.02)
    often = chances * n >= 5
    deviation = ((counts - n * chances)[often] ** 2 / (n * chances[often])).sum()
    assert often.sum() > 1
    assert chi2.sf(deviation, often.sum() - 1) > 1e-3
