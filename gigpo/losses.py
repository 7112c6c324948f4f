"""The clipped policy objective, on flat tensors of tokens.

    ratio  = exp(logprobs - old_logprobs)
    clip   = max(-A ratio, -A clip(ratio, 1 - clip_low, 1 + clip_high))
    policy = min(clip, -A dual_clip) where A < 0, else clip
    loss   = aggregate(policy - entropy_coef entropy + kl_coef KL)

The objective is that of GiGPO (arXiv 2505.10978, eq. 9) with PPO's clip (arXiv 1707.06347) and the
dual clip of arXiv 1912.09729. KL estimates are Schulman's ("Approximating KL divergence", 2020),
with d = reference - logprobs: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - d - 1. Log ratios are limited
to +-20.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from anchorgym.gigpo.errors import OptionError
from anchorgym.gigpo.options import Aggregate, KLEstimator

# exp(20) is beyond any useful ratio, and far from overflow.
_LOG_RATIO_LIMIT = 20.0


@dataclass(frozen=True)
class LossStatistics:
    """Token means over a mini-batch, detached 0-d tensors: reading one synchronises the device.

    Attributes:
        policy_loss: the clipped objective alone, aggregated like the loss.
        clip_fraction: share of tokens where a clip bound is the active term.
        dual_clip_fraction: share of tokens where the dual clip is.
        approximate_kl: of the old policy from the new one, `E[ratio - 1 - log ratio]`.
        entropy: of the policy; 0 where it was not given.
        reference_kl: estimate of the divergence from the reference; 0 where it was not given.
    """

    policy_loss: Tensor
    clip_fraction: Tensor
    dual_clip_fraction: Tensor
    approximate_kl: Tensor
    entropy: Tensor
    reference_kl: Tensor

    def floats(self) -> dict[str, float]:
        """The statistics as Python numbers."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}


def ppo_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    *,
    mask: Tensor | None = None,
    sequence: Tensor | None = None,
    clip_low: float | Tensor = 0.2,
    clip_high: float | Tensor = 0.2,
    dual_clip: float | None = 3.0,
    entropy: Tensor | None = None,
    entropy_coef: float = 0.001,
    reference_logprobs: Tensor | None = None,
    kl_coef: float = 0.01,
    kl: KLEstimator = "k3",
    aggregate: Aggregate = "token_mean",
    denominator: float | None = None,
    ratio_unit: Tensor | None = None,
) -> tuple[Tensor, LossStatistics]:
    """PPO's clipped loss with dual clip, entropy bonus and KL to a reference, to be minimised.

    Its equation is at the top of this module.

    Args:
        logprobs: `(n_tokens,)` of the policy being trained; carries the gradient.
        old_logprobs: `(n_tokens,)` of the policy that the update started from.
        advantages: `(n_tokens,)`, each turn's value at its tokens.
        mask: `(n_tokens,)` True for the tokens that count; all by default. Whatever stands at the
            others, NaN included, has no effect.
        sequence: `(n_tokens,)` index of the sequence; only `sequence_mean` needs it.
        clip_low, clip_high, dual_clip: bounds on the ratio, the former two for all tokens or
            `(n_tokens,)`; `dual_clip=None` leaves that one out.
        entropy, entropy_coef: `(n_tokens,)` of the policy, None for no bonus, and its weight.
        reference_logprobs, kl_coef, kl: `(n_tokens,)` of the reference policy, None for no KL
            term, its weight and estimator.
        aggregate: `token_mean`, or `sequence_mean`, the mean over sequences of their token means.
        denominator: number of tokens (or sequences) to divide by, in place of those given here:
            that of the whole mini-batch when gradients accumulate over its parts.
        ratio_unit: `(n_tokens,)` index of the unit whose mean log ratio each of its tokens has, as
            in GSPO; None gives every token its own.

    Returns:
        The loss, a 0-d tensor (0 with zero gradient if no token counts), and statistics.
    """
    counted = torch.ones_like(logprobs, dtype=torch.bool) if mask is None else mask.bool()
    logprobs, old_logprobs = logprobs[counted], old_logprobs[counted]
    weights = _weights(logprobs, sequence, counted, aggregate, denominator)
    log_ratio = _log_ratio(logprobs, old_logprobs, ratio_unit, counted)
    policy, clipped, dual = _clipped(
        log_ratio.exp(), advantages[counted], clip_low, clip_high, dual_clip, counted
    )
    loss = policy_loss = (weights * policy).sum()
    token_entropy = reference_kl = logprobs.new_zeros(())
    if entropy is not None:
        token_entropy = entropy[counted]
        loss = loss - entropy_coef * (weights * token_entropy).sum()
    if reference_logprobs is not None:
        reference_kl = kl_estimate(logprobs, reference_logprobs[counted], kl)
        loss = loss + kl_coef * (weights * reference_kl).sum()
    return loss, _statistics(policy_loss, log_ratio, clipped, dual, token_entropy, reference_kl)


def regularised(
    policy_loss: Tensor,
    logprobs: Tensor,
    old_logprobs: Tensor,
    *,
    mask: Tensor | None = None,
    entropy: Tensor | None = None,
    entropy_coef: float = 0.0,
    reference_logprobs: Tensor | None = None,
    kl_coef: float = 0.0,
    kl: KLEstimator = "k3",
    denominator: float | None = None,
) -> tuple[Tensor, LossStatistics]:
    """Add the token means of entropy bonus and KL to a policy term that is not PPO's.

    `policy_loss` is a 0-d tensor; the other arguments, and what is returned, are those of
    `ppo_loss`.
    """
    others, statistics = ppo_loss(
        logprobs,
        old_logprobs,
        torch.zeros_like(logprobs),
        mask=mask,
        entropy=entropy,
        entropy_coef=entropy_coef,
        reference_logprobs=reference_logprobs,
        kl_coef=kl_coef,
        kl=kl,
        denominator=denominator,
    )
    return policy_loss + others, replace(statistics, policy_loss=policy_loss.detach())


def segment_means(values: Tensor, segment: Tensor) -> Tensor:
    """Mean of each segment, `(n_segments,)`, from `(n,)` values; 0 where a segment is empty."""
    count = torch.bincount(segment)
    return segment_sums(values, segment) / count.clamp(min=1)


def segment_sums(values: Tensor, segment: Tensor) -> Tensor:
    """Sum of each segment, `(n_segments,)`, from `(n,)` values."""
    n_segments = int(segment.max()) + 1 if len(segment) else 0
    return values.new_zeros(n_segments).index_add(0, segment, values)


def kl_estimate(logprobs: Tensor, reference_logprobs: Tensor, kind: KLEstimator = "k3") -> Tensor:
    """Per-token estimate of KL(policy | reference) from samples of the policy, `(n_tokens,)`.

    k1 is unbiased, k2 and k3 are never negative, and k3 is both. As a loss, each is
    differentiated as it stands.
    """
    difference = _limited(reference_logprobs - logprobs)
    if kind == "k1":
        return -difference
    if kind == "k2":
        return 0.5 * difference.square()
    if kind == "k3":
        return difference.expm1() - difference
    raise OptionError(f"kl={kind!r} is not one of 'k1', 'k2', 'k3'")


def _clipped(
    ratio: Tensor,
    advantages: Tensor,
    clip_low: float | Tensor,
    clip_high: float | Tensor,
    dual_clip: float | None,
    counted: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Policy term of each counted token, and where the clip and the dual clip decide it."""
    clip_low, clip_high = (
        bound[counted] if isinstance(bound, Tensor) else bound for bound in (clip_low, clip_high)
    )
    free = -advantages * ratio
    bounded = -advantages * ratio.clamp(min=1 - clip_low).clamp(max=1 + clip_high)
    loss = torch.maximum(free, bounded)
    clipped = bounded > free
    if dual_clip is None:
        return loss, clipped, torch.zeros_like(clipped)
    ceiling = -advantages * dual_clip
    dual = (advantages < 0) & (loss > ceiling)
    return torch.where(dual, ceiling, loss), clipped & ~dual, dual


def _weights(
    logprobs: Tensor,
    sequence: Tensor | None,
    counted: Tensor,
    aggregate: Aggregate,
    denominator: float | None,
) -> Tensor:
    """Weight of each counted token in the loss, `(n_counted,)`."""
    ones = torch.ones_like(logprobs, requires_grad=False)
    if aggregate == "token_mean":
        return ones / (max(len(ones), 1) if denominator is None else denominator)
    if aggregate != "sequence_mean":
        raise OptionError(f"aggregate={aggregate!r} is not one of 'token_mean', 'sequence_mean'")
    if sequence is None:
        raise OptionError(
            "aggregate='sequence_mean' needs sequence=, the index of each token's row"
        )
    length = torch.bincount(sequence[counted])
    count = int((length > 0).sum()) if denominator is None else denominator
    return ones / (length[sequence[counted]] * count)


def _log_ratio(
    logprobs: Tensor, old_logprobs: Tensor, ratio_unit: Tensor | None, counted: Tensor
) -> Tensor:
    """Limited log ratio of each counted token, or the mean of its unit, `(n_counted,)`."""
    log_ratio = logprobs - old_logprobs
    if ratio_unit is not None:
        unit = ratio_unit[counted]
        log_ratio = segment_means(log_ratio, unit)[unit]
    return _limited(log_ratio)


def _statistics(
    policy_loss: Tensor,
    log_ratio: Tensor,
    clipped: Tensor,
    dual: Tensor,
    entropy: Tensor,
    reference_kl: Tensor,
) -> LossStatistics:
    return LossStatistics(
        policy_loss=policy_loss.detach(),
        clip_fraction=_mean(clipped),
        dual_clip_fraction=_mean(dual),
        approximate_kl=_mean(log_ratio.expm1() - log_ratio),
        entropy=_mean(entropy),
        reference_kl=_mean(reference_kl),
    )


def _limited(log_ratio: Tensor) -> Tensor:
    return log_ratio.clamp(-_LOG_RATIO_LIMIT, _LOG_RATIO_LIMIT)


def _mean(values: Tensor) -> Tensor:
    return values.detach().to(torch.float32).sum() / max(values.numel(), 1)
