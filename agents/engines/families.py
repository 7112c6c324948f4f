"""Families of models: which of them our kernels compute, and a probe of each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from anchorgym.agents.engines.answering import Request, answer_all
from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.engines.forward import position_limit, row_states, token_logits
from anchorgym.agents.engines.lines import lay_out, shares_beginnings
from anchorgym.envs.errors import AnchorgymError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_ATTENTIONS = {"full_attention", "sliding_attention", "chunked_attention"}
_KNOWN = (
    "Llama, Qwen2, Qwen3, GLM-4, OLMo, Granite, Cohere, Gemma, Phi-3, Mistral, Mixtral, gpt-oss "
    "and DeepSeek-V3 are among the families that run"
)
_WRITTEN = 3
"""Tokens that the probe's engine writes in each response."""
_LONGEST_WINDOW = 64
"""Longest attention window that the probe's prompt exceeds, to be cheap."""
_PROMPT = 12
_TOLERANCE = 1e-3
"""Largest difference of log-probabilities in nats: rounding of float32 stays far below it."""
_ROUNDINGS = 8
"""Roundings of the largest logit by which log-probabilities of 16 bits may differ."""


class UnsupportedModelError(AnchorgymError, ValueError):
    """A model that the engine or the learner would not compute as its own forward pass does."""

    def __init__(self, family: str, problem: str) -> None:
        self.family = family
        super().__init__(f"a model of the family {family!r} cannot be used: {problem}. {_KNOWN}")


def require_supported(model: PreTrainedModel) -> None:
    """Check that a model consists of what engine and learner compute.

    Raises:
        UnsupportedModelError: its attention cannot be replaced, some layers are no attention, or
            it has no number of positions.
    """
    config, family = model.config, str(model.config.model_type)
    if config.get_text_config() is not config:
        raise UnsupportedModelError(
            family, "it has parts beside the language model: save its language model alone"
        )
    if getattr(model, "_is_stateful", False) or set(_layer_types(config)) - _ATTENTIONS:
        raise UnsupportedModelError(
            family, "some of its layers keep a state that is no keys and values of attention"
        )
    if not getattr(model, "_supports_attention_backend", False):
        raise UnsupportedModelError(
            family, "its attention (such as one with ALiBi) is fixed in its own code"
        )
    if position_limit(config) is None:
        raise UnsupportedModelError(
            family, "its configuration names no number of positions (max_position_embeddings)"
        )


@torch.inference_mode()
def probe(model: PreTrainedModel) -> None:
    """Compare engine and learner with the model's own forward pass on a few tokens.

    The prompts exceed an attention window of at most `_LONGEST_WINDOW` tokens. No random state is
    touched. The model computes where it is and in its own data type, so that a large one is read a
    few times on its device, and never in float32 on a CPU. What is lost in 16 bits: a difference
    smaller than some roundings of the largest logit is not noticed, such as that of a mask which
    is wrong for few tokens. In float32 it would be.

    Raises:
        UnsupportedModelError: they differ, or cannot run the model.
    """
    family = str(model.config.model_type)
    try:
        transcripts, logprobs = _written(model)
        tables = [_own(model, tokens) for tokens in transcripts]
        differences = {
            "engine": _engine_difference(transcripts, logprobs, tables),
            "learner": _learner_difference(model, transcripts, tables),
        }
        tolerance = _tolerance(model, transcripts)
    except AnchorgymError:
        raise
    except Exception as error:  # a stranger's model may raise anything
        raise UnsupportedModelError(
            family, f"the engine cannot run it ({type(error).__name__}: {error})"
        ) from error
    for part, difference in differences.items():
        if not difference <= tolerance:  # also if it is no number
            raise UnsupportedModelError(
                family,
                f"log-probabilities of the {part} differ from its own by up to {difference:.2g} "
                f"nats on {max(map(len, transcripts))} tokens",
            )


def _layer_types(config: PreTrainedConfig) -> Sequence[str]:
    return getattr(config, "layer_types", None) or ()


def _written(model: PreTrainedModel) -> tuple[list[list[int]], list[list[float]]]:
    """Let an engine write twice in two sessions of different lengths.

    Returns:
        (transcripts, log-probabilities of the tokens that the second responses consist of).
    """
    config: Any = model.config
    windows = [
        size
        for name in ("sliding_window", "attention_chunk_size")
        if isinstance(size := getattr(config, name, None), int) and 0 < size <= _LONGEST_WINDOW
    ]
    limit = position_limit(config) or 0
    length = min(max([_PROMPT, *(size + 4 for size in windows)]), limit - 2 * _WRITTEN - 2)
    ids = [(7919 * i + 11) % config.vocab_size for i in range(max(length, 1))]
    from anchorgym.agents.engines.torch_engine import TorchEngine

    engine, sampling = TorchEngine(model, ()), Sampling(_WRITTEN, 0.0)
    transcripts: list[list[int]] = [[], []]
    for read in ((ids, ids[: max(1, length // 3)]), (ids[:2], ids[:1])):
        requests = [Request(i, tokens, sampling) for i, tokens in enumerate(read)]
        answers = answer_all(engine, requests)
        for i, transcript in enumerate(transcripts):
            transcript += [*read[i], *answers[i].tokens]
    return transcripts, [list(answers[i].logprobs) for i in range(len(transcripts))]


def _own(model: PreTrainedModel, tokens: Sequence[int]) -> Tensor:
    """Return the log-probabilities (length, n_tokens) of the model's own forward pass."""
    ids = torch.tensor([tokens], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits[0]
    return torch.log_softmax(logits.float(), -1)


def _tolerance(model: PreTrainedModel, transcripts: Sequence[Sequence[int]]) -> float:
    """Return the largest difference of log-probabilities that rounding may make, in nats."""
    if model.dtype.itemsize > 2:
        return _TOLERANCE
    ids = torch.tensor([transcripts[0]], device=model.device)
    largest = model(input_ids=ids, use_cache=False).logits.abs().max()
    return _ROUNDINGS * torch.finfo(model.dtype).eps * max(1.0, float(largest))


def _engine_difference(
    transcripts: Sequence[Sequence[int]], logprobs: Sequence[Sequence[float]], own: Sequence[Tensor]
) -> float:
    gaps = []
    for tokens, chosen, table in zip(transcripts, logprobs, own, strict=True):
        for i, logprob in enumerate(chosen, len(tokens) - len(chosen)):
            gaps.append(abs(logprob - float(table[i - 1, tokens[i]])))
    return float(torch.tensor(gaps).max())  # which is nan if one of them is


def _learner_difference(
    model: PreTrainedModel, transcripts: Sequence[Sequence[int]], own: Sequence[Tensor]
) -> float:
    """Compare padded rows, and a line that holds all rows."""
    length = max(map(len, transcripts))
    padded = [[*tokens, *[0] * (length - len(tokens))] for tokens in transcripts]
    ids = torch.tensor(padded, device=model.device)
    rows = torch.log_softmax(token_logits(model, row_states(model, ids)), -1)
    tokens, spans, places = lay_out(transcripts, sharing=shares_beginnings(model.config))
    line = row_states(model, torch.tensor([tokens], device=model.device), spans)
    packed = torch.log_softmax(token_logits(model, line), -1)[0]
    gaps = []
    for row, table, places_of_row in zip(rows, own, places, strict=True):
        gaps.append((row[: len(table)] - table).abs().max())
        gaps.append((packed[places_of_row] - table).abs().max())
    return float(torch.stack(gaps).max())
