"""What vLLM is asked, and what it says, in this process as on a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from anchorgym.agents.engines.remote.contract import Answer, BadAnswerError, Order
from anchorgym.agents.engines.remote.reading import require_logprobs

_SEEDS: Final = 2**63
SCORING: Final[dict[str, Any]] = {
    "max_tokens": 1,
    "temperature": 0.0,
    "prompt_logprobs": 0,
    "detokenize": False,
}
"""Sampling parameters by which a text is scored."""


def sampling_of(order: Order, *, seeds: bool) -> dict[str, Any]:
    """Return vLLM's sampling parameters of an order.

    All that a model's `generation_config.json` could change is given.

    Args:
        order: order whose tokens are sampled.
        seeds: whether the order's seed is followed.
    """
    sampling = order.sampling
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": float(sampling.temperature),
        "top_p": float(sampling.top_p),
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": sampling.seed % _SEEDS if seeds else None,
        "stop_token_ids": list(order.ends),
        "ignore_eos": True,
        "logprobs": 0,
        "detokenize": False,
    }


def read_choice(said: Any) -> Answer:
    """Return the answer of a server to an order.

    Raises:
        BadAnswerError: it is none.
    """
    try:
        (choice,) = said["choices"]
        reason = choice.get("finish_reason")
        tokens = choice["token_ids"]
        content = choice["logprobs"]["content"]
        logprobs = [entry["logprob"] for entry in content]
        named = [entry["token_id"] for entry in content]
        spans = choice.get("weight_versions") or ()
        weights = tuple(str(span["version"]) for span in spans)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswerError(
            f"the server's answer has another form than that of vLLM 0.32 ({error!r})"
        ) from error
    if reason not in ("stop", "length"):
        raise BadAnswerError(f"the server broke the response off ({reason})")
    if not isinstance(tokens, list) or named != tokens[: len(named)]:
        raise BadAnswerError("the server's log-probabilities are of other tokens")
    return Answer(tokens, logprobs, weights)


def read_model(said: Any) -> str:
    """Return the name of the model or adapter that wrote a server's answer; "" if it is missing."""
    return str(said.get("model") or "") if isinstance(said, dict) else ""


def read_scores(said: Any, text: Sequence[int]) -> list[float]:
    """Return the log-probabilities of a text's tokens but the first.

    Args:
        said: a server's answer, or `{"prompt_logprobs": …}`.
        text: the tokens that were scored.

    Raises:
        BadAnswerError: some are missing, or are not finite.
    """
    try:
        _, *entries = said["prompt_logprobs"]
        found = [_logprob(entry, token) for entry, token in zip(entries, text[1:], strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswerError(
            f"the server's scores have another form than those of vLLM 0.32 ({error!r})"
        ) from error
    require_logprobs(found, len(text) - 1)
    return found


def _logprob(entry: Mapping[Any, Any], token: int) -> float:
    found = entry[token] if token in entry else entry[str(token)]
    return float(found["logprob"] if isinstance(found, Mapping) else found.logprob)
