"""Checks of answers, which become responses only if they are whole and of the right weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from anchorgym.agents.engines.contract import Generation, Stop
from anchorgym.agents.engines.remote.contract import (
    Answer,
    BadAnswerError,
    Order,
    WrongWeightsError,
)

_LEAST: Final = -9000.0
"""Log-probabilities below are what servers write for minus infinity."""
_ROUNDING: Final = 1e-3
"""Log-probabilities may be above 0 by this much."""


def read_answer(answer: Answer, order: Order, n_tokens: int, version: int) -> Generation:
    """Return the response that an answer is.

    Args:
        answer: the answer as it came.
        order: what it answers.
        n_tokens: size of the model's vocabulary.
        version: version of the weights that `order.weights` labels.

    Raises:
        WrongWeightsError: other weights have written it, or a part of it.
        BadAnswerError: tokens or log-probabilities are missing, or are none.
    """
    if any(label != order.weights for label in answer.weights):
        raise WrongWeightsError(
            f"weights {', '.join(answer.weights)} have answered, not {order.weights}: let no other "
            "program publish weights to this server"
        )
    require_tokens(answer.tokens, n_tokens)
    require_logprobs(answer.logprobs, len(answer.tokens))
    tokens = tuple(answer.tokens)
    ends = [n for n, token in enumerate(tokens) if token in order.ends]
    if ends and ends[0] != len(tokens) - 1:
        raise BadAnswerError(f"the response goes on after its end, token {ends[0]}")
    longest = order.sampling.max_tokens
    if len(tokens) > longest or (not ends and len(tokens) < longest):
        raise BadAnswerError(
            f"the response has {len(tokens)} of {longest} tokens and "
            f"{'ends' if ends else 'does not end'} with a closing one: it is not whole"
        )
    stop = Stop.EOS if ends else Stop.LENGTH
    logprobs = tuple(min(0.0, float(logprob)) for logprob in answer.logprobs)
    return Generation(tokens, logprobs, stop, version=version)


def require_tokens(tokens: Sequence[int], n_tokens: int) -> None:
    """Check that there are tokens, all of the vocabulary.

    Raises:
        BadAnswerError: otherwise.
    """
    if not tokens:
        raise BadAnswerError("the response has no tokens")
    for token in tokens:
        if type(token) is not int or not 0 <= token < n_tokens:
            raise BadAnswerError(f"{token!r} is no token of the model, which has {n_tokens}")


def require_logprobs(logprobs: Sequence[float], n: int) -> None:
    """Check that there are n finite log-probabilities.

    Raises:
        BadAnswerError: otherwise.
    """
    if len(logprobs) != n:
        raise BadAnswerError(f"{n} tokens came with {len(logprobs)} log-probabilities")
    for logprob in logprobs:
        number = type(logprob) in (int, float) and math.isfinite(logprob)
        if not number or not _LEAST < logprob <= _ROUNDING:
            raise BadAnswerError(f"{logprob!r} is no log-probability of a token that was sampled")
