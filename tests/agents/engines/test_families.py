"""Engine and learner against each family's own forward pass, without padding or cache."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from model_families import POSITIONS, SUPPORTED, UNSUPPORTED, VOCABULARY, family_model
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from anchorgym.agents.engines import EngineError, Sampling
from anchorgym.agents.engines.families import UnsupportedModelError, probe, require_supported
from anchorgym.agents.engines.forward import position_limit, row_states, token_logits
from anchorgym.agents.engines.lines import apart
from anchorgym.agents.engines.torch_engine import TorchEngine

EXACT = 1e-5
PROMPTS = (3, 20, 41)
"""Lengths in tokens: below the attention windows of 7, and far beyond them."""


def prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(3, VOCABULARY, (n,), generator=generator).tolist() for n in PROMPTS]


@torch.no_grad()
def own(model: PreTrainedModel, tokens: Sequence[int]) -> Tensor:
    """Log-probabilities (length, n_tokens) of one row alone."""
    logits = model(torch.tensor([tokens]), use_cache=False).logits
    return torch.log_softmax(logits.float(), -1)[0]


@pytest.mark.parametrize("name", SUPPORTED)
def test_what_an_engine_writes_has_the_logprobs_of_the_model(name: str) -> None:
    model = family_model(name)
    engine = TorchEngine(model, (2,))
    transcripts = prompts()
    for more in (transcripts, [tokens[: 2 + i] for i, tokens in enumerate(prompts())]):
        for key, tokens in enumerate(more):
            engine.submit(key, tokens, Sampling(4, 1.0, seed=key))
        if more is not transcripts:
            transcripts = [a + b for a, b in zip(transcripts, more, strict=True)]
        for key, generation in engine.poll():
            before = len(transcripts[key])
            transcripts[key] = [*transcripts[key], *generation.tokens]
            table = own(model, transcripts[key])
            truth = [float(table[before + i - 1, t]) for i, t in enumerate(generation.tokens)]
            assert generation.logprobs == pytest.approx(truth, abs=EXACT)


@pytest.mark.parametrize("name", SUPPORTED)
@torch.no_grad()
def test_what_a_learner_reads_has_the_logprobs_of_the_model(name: str) -> None:
    model, rows = family_model(name), prompts()
    length = max(PROMPTS) + 7
    padded = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    line = torch.tensor([[token for row in rows for token in row] + [0] * 7])
    lengths = [*map(len, rows), 7]
    alone = torch.log_softmax(token_logits(model, row_states(model, padded)), -1)
    packed = torch.log_softmax(token_logits(model, row_states(model, line, apart(lengths))), -1)[0]
    begin = 0
    for row, table in zip(rows, alone, strict=True):
        truth = own(model, row)
        assert (table[: len(row)] - truth).abs().max() < EXACT
        assert (packed[begin : begin + len(row)] - truth).abs().max() < EXACT
        begin += len(row)


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_other_families_are_refused_by_name(name: str) -> None:
    model = family_model(name)
    with pytest.raises(UnsupportedModelError, match=repr(model.config.model_type)):
        require_supported(model)


@pytest.mark.parametrize("name", ["mpt", "mamba", "qwen3-next", "lfm2"])
def test_a_probe_alone_would_notice_them_too(name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=r"differ from its own|cannot run it"):
        probe(family_model(name))


class Hasty(LlamaForCausalLM):
    """A model that scales its logits where nobody looks."""

    def forward(self, *args: object, **kwargs: object) -> object:
        out = super().forward(*args, **kwargs)
        out.logits = out.logits * 1.5
        return out


def test_a_probe_says_by_how_much_a_model_differs() -> None:
    config = family_model("llama").config
    torch.manual_seed(0)
    model = Hasty(config).eval()
    before = torch.get_rng_state()
    with pytest.raises(
        UnsupportedModelError, match=r"of the engine differ .* by up to [\d.]+ nats"
    ):
        probe(model)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_probe_fits_into_the_few_positions_of_a_small_model() -> None:
    config = family_model("llama").config
    config.max_position_embeddings = 16
    probe(LlamaForCausalLM(config).eval())


@pytest.mark.parametrize("name", ["gpt2", "opt", "llama"])
def test_positions_beyond_the_last_are_refused(name: str) -> None:
    engine = TorchEngine(family_model(name), (2,))
    engine.submit("fits", [5] * (POSITIONS - 4), Sampling(4))
    with pytest.raises(EngineError, match=f"positions for {POSITIONS}"):
        engine.submit("long", [5] * (POSITIONS - 3), Sampling(4))


def test_rotary_embeddings_that_stretch_with_the_batch_end_where_they_would() -> None:
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * 4,
        "long_factor": [4.0] * 4,
        "original_max_position_embeddings": 32,
    }
    config = LlamaConfig(head_dim=8, max_position_embeddings=128, rope_parameters=rope)
    assert position_limit(config) == 32
    assert position_limit(LlamaConfig(max_position_embeddings=128)) == 128
