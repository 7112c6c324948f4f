"""Log-probabilities and entropies of written tokens, without the logits of all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from anchorgym.agents.engines.forward import token_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_LOGITS = 2**24
"""Most logits that are held at once: 64 MB in float32, a few times over."""


def scores(
    model: PreTrainedModel,
    hidden: Tensor,
    tokens: Tensor,
    choices: Tensor | None = None,
    temperature: float | Tensor = 1.0,
) -> tuple[Tensor, Tensor]:
    """Return the log-probability and the entropy of each token, (n_tokens,) each.

    Both are of the distribution that was sampled from, with its temperature and its choices. Many
    tokens over a large vocabulary are taken in parts, whose logits are computed again in the
    backward pass; there, `_Scores` passes over the logits a third as often as autograd would.

    Args:
        model: a causal language model.
        hidden: (n_tokens, width) last hidden state before each token.
        tokens: (n_tokens,) the tokens.
        choices: (n_tokens, vocabulary) True where a token was allowed; None for all.
        temperature: one number, or (n_tokens, 1).
    """
    size = max(1, MOST_LOGITS // model.config.vocab_size)
    if len(tokens) <= size:
        return _scores(model, hidden, tokens, choices, temperature)
    found = []
    for part in _parts(len(tokens), size):
        heat = temperature if isinstance(temperature, float) else temperature[part]
        allowed = None if choices is None else choices[part]
        args = (model, hidden[part], tokens[part], allowed, heat)
        if torch.is_grad_enabled():
            found.append(
                checkpoint(_part_scores, *args, use_reentrant=False, preserve_rng_state=False)
            )
        else:
            found.append(_part_scores(*args))
    logprobs, entropies = zip(*found, strict=True)
    return torch.cat(logprobs), torch.cat(entropies)


def cross_entropies(model: PreTrainedModel, hidden: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of each target, (n_tokens,), in parts as in `scores`."""
    size = max(1, MOST_LOGITS // model.config.vocab_size)
    if len(targets) <= size:
        return _cross_entropies(model, hidden, targets)
    parts = [
        checkpoint(
            _cross_entropies,
            *(model, hidden[part], targets[part]),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for part in _parts(len(targets), size)
    ]
    return torch.cat(parts)


def _scores(
    model: PreTrainedModel,
    hidden: Tensor,
    tokens: Tensor,
    choices: Tensor | None,
    temperature: float | Tensor,
) -> tuple[Tensor, Tensor]:
    table = functional.log_softmax(_logits(model, hidden, choices, temperature), -1)
    logprobs = table.gather(1, tokens[:, None])[:, 0]
    finite = table if choices is None else table.masked_fill(~choices, 0.0)
    return logprobs, -(table.exp() * finite).sum(-1)


def _part_scores(
    model: PreTrainedModel,
    hidden: Tensor,
    tokens: Tensor,
    choices: Tensor | None,
    temperature: float | Tensor,
) -> tuple[Tensor, Tensor]:
    apply: Callable[..., tuple[Tensor, Tensor]] = _Scores.apply
    return apply(_logits(model, hidden, choices, temperature), tokens, choices is not None)


def _logits(
    model: PreTrainedModel, hidden: Tensor, choices: Tensor | None, temperature: float | Tensor
) -> Tensor:
    logits = token_logits(model, hidden)
    if not isinstance(temperature, float) or temperature != 1.0:
        logits = logits / temperature
    return logits if choices is None else logits.masked_fill(~choices, float("-inf"))


class _Scores(torch.autograd.Function):
    """Log-probabilities and entropies of tokens, with few passes over the logits.

    With p the distribution and H its entropy, the derivatives by logit j are [j = token] - p_j of
    the log-probability, and -p_j (log p_j + H) of the entropy.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, tokens: Tensor, masked: bool) -> tuple[Tensor, Tensor]:
        table = functional.log_softmax(logits, -1)
        finite = table.clamp(min=_LEAST) if masked else table
        entropies = -torch.linalg.vecdot(table.exp(), finite)
        ctx.save_for_backward(table, tokens, entropies)
        ctx.masked = masked
        return table.gather(1, tokens[:, None])[:, 0], entropies

    @staticmethod
    def backward(
        ctx: Any, by_logprob: Tensor, by_entropy: Tensor
    ) -> tuple[Tensor | None, None, None]:
        table, tokens, entropies = ctx.saved_tensors
        slopes = table.exp()
        if by_entropy.any():
            finite = table.clamp(min=_LEAST) if ctx.masked else table
            factor = (finite + entropies[:, None]).mul_(by_entropy[:, None])
            slopes *= factor.add_(by_logprob[:, None]).neg_()
        else:
            slopes *= -by_logprob[:, None]
        return slopes.scatter_add_(1, tokens[:, None], by_logprob[:, None]), None, None


_LEAST = torch.finfo(torch.float32).min
"""Log-probability of a token that was not allowed, which is multiplied by a probability of 0."""


def _cross_entropies(model: PreTrainedModel, hidden: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(token_logits(model, hidden), targets, reduction="none")


def _parts(n: int, size: int) -> Iterator[slice]:
    """Yield slices of at most `size` that cover n items, of about equal length."""
    count = -(-n // size)
    size = -(-n // count)
    for start in range(0, n, size):
        yield slice(start, start + size)
