"""Subjects of engine checks: prompts, weights, and the distributions that they imply."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.agents.engines.contract import Engine, WeightSource
from anchorgym.agents.engines.factories import EngineFactory, ServedModel
from anchorgym.agents.prompts.tokenizer import build_tokenizer
from anchorgym.agents.quiet import no_progress_bars

_WORDS = ("take the red key and open the door", "go west, then look at the old lamp on a shelf")
_OTHER_SCALE = 1.3
"""Factor by which the second weights differ from the first."""

Distribution = Callable[[int, Sequence[int], float], Sequence[float]]
"""Maps (index of the weights, context, temperature) to log-probabilities of the next token,
(n_tokens,)."""


@dataclass(frozen=True)
class EngineSubject:
    """An engine to check, with the facts about its model that the checks need."""

    name: str
    """Name of the engine in the report."""
    engine: Engine
    """The engine, with the first of `weights` and no session."""
    prompts: Sequence[tuple[int, ...]]
    """At least three different prompts."""
    eos_ids: tuple[int, ...]
    """Tokens that close a response; empty where every response is one token."""
    distribution: Distribution
    """The model's own distribution, which log-probabilities are compared with."""
    weights: Sequence[WeightSource]
    """The engine's own weights, then other weights with other responses."""
    remembers: bool = True
    """Whether a response depends on earlier tokens of its session."""


def model_subject(factory: EngineFactory, folder: Path) -> EngineSubject:
    """Return an engine of a small language model with random weights.

    Args:
        factory: factory of the engine.
        folder: folder that the model, its tokenizer and its second weights are saved in.
    """
    tokenizer = build_tokenizer(_WORDS, _WORDS)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = LlamaForCausalLM(config).eval()
    second = copy.deepcopy(first)
    with torch.no_grad():
        for model, scale in ((first, 4.0), (second, 4.0 * _OTHER_SCALE)):
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(scale)
    references = (first, second)
    folders = [folder / name for name in ("first", "second")]
    with no_progress_bars():
        for model, where in zip(references, folders, strict=True):
            model.save_pretrained(where)
            tokenizer.save_pretrained(where)

    @torch.no_grad()
    def distribution(weights: int, context: Sequence[int], temperature: float) -> list[float]:
        logits = references[weights](torch.tensor([list(context)])).logits[0, -1].float()
        return torch.log_softmax(logits / temperature, -1).tolist()

    served = ServedModel(copy.deepcopy(first), tokenizer, (tokenizer.eos_token_id,), folders[0])
    words = sorted(set(range(len(tokenizer))) - set(tokenizer.all_special_ids))
    prompts = [tuple(words[n : n + 3 + 4 * n]) for n in range(4)]
    return EngineSubject(
        type(factory).__name__,
        factory.make(served),
        prompts,
        served.eos_ids,
        distribution,
        (folders[0], folders[1]),
    )
