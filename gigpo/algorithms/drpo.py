"""Decoupled reward policy optimization (DRPO, arXiv 2510.04474): prefer shorter successes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from anchorgym.gigpo.algorithm import Promise, State, TokenView
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.options import NonNegative, Within

if TYPE_CHECKING:
    from torch import Tensor

    from anchorgym.gigpo.losses import LossStatistics

Positive = Annotated[float, Within(0, above=True)]


@dataclass(frozen=True, kw_only=True)
class DRPO(EpisodeAlgorithm):
    """Discriminates successes from failures; being short counts among successes alone.

        loss = -mean over groups of sum over successes of
               w_i (s_i - tau log mean over failures of exp(s_j / tau)) / sum of w
               + [beta (KL - delta)]+ KL, the factor in brackets taken as a constant
        w_i  = exp((1 - len_i / max_length) / lam)

    Nothing bounds the discrimination, so the policy is held near the one that sampled: KL is the
    token mean of `ratio - 1 - log ratio`, the divergence of the old policy from the new one, and
    costs nothing below delta. `s` is the mean log-probability of a trajectory's tokens and `len`
    their number: of all that it wrote, in all its turns, which are one response in the paper. Only
    groups with both labels are trained on. A long success is thus weighed less against short ones,
    and never falls behind a failure, as it can where a length penalty is part of the reward.

    `advantages` are the labels: 1 and -1, 0 in groups that have but one; neither penalties nor
    bonuses change them. Mini-batches are made of whole groups.

    Args:
        threshold: a trajectory whose outcome is more succeeded.
        tau: temperature of the failures.
        lam: strength of the preference for short successes; less is stronger.
        max_length: of a trajectory's responses together, in tokens.
        delta: divergence that is free, in nats a token.
        beta: how steeply the price of more rises.
    """

    minibatch_unit = "group"
    divisible = False  # the price of the divergence is no sum over groups
    weighable = False  # advantages are labels

    threshold: Annotated[float, Within()] = 0.0
    tau: Positive = 10.0
    lam: Positive = 0.1
    max_length: Positive = 512.0
    delta: NonNegative = 1e-4
    beta: NonNegative = 1e3
    entropy_coef: NonNegative = 0.0
    kl_coef: NonNegative = 0.0

    @property
    def promises(self) -> frozenset[Promise]:
        """Labels do not add up to 0."""
        return frozenset({"singleton_zero", "per_trajectory", "roots_only"})

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Label of each turn's trajectory, `(n_turns,)`; 0 for forks."""
        roots = self.roots(batch, self.outcomes(batch))
        success = roots.score > self.threshold
        won = np.bincount(roots.group[success], minlength=batch.n_groups)
        both = (won > 0) & (won < roots.size)
        return roots.per_turn(np.where(success, 1.0, -1.0) * both[roots.group])

    def loss(
        self,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
        advantages: Tensor,
    ) -> tuple[Tensor, LossStatistics]:
        """The discriminative objective over the mini-batch's groups."""
        import torch

        from anchorgym.gigpo.losses import segment_means

        mask = view.mask.bool()
        trajectory, group = view.trajectory[mask], view.group[mask]
        length = torch.bincount(trajectory)
        s = segment_means(logprobs[mask], trajectory)
        label = segment_means(advantages[mask], trajectory)
        owner = segment_means(group.to(s.dtype), trajectory).round().long()
        owner = owner.masked_fill(length == 0, -1)
        terms = []
        for one in group.unique().tolist():
            won, lost = (owner == one) & (label > 0), (owner == one) & (label < 0)
            if won.any() and lost.any():
                share = torch.softmax((1 - length[won] / self.max_length) / self.lam, 0)
                failures = torch.logsumexp(s[lost] / self.tau, 0) - float(np.log(int(lost.sum())))
                terms.append((share.to(s.dtype) * (s[won] - self.tau * failures)).sum())
        policy = -torch.stack(terms).mean() if terms else 0.0 * logprobs[mask].sum()
        held = policy + self._price(logprobs[mask], view.old_logprobs[mask])
        return self.own_loss(held, view, logprobs, entropy, reference)

    def _price(self, logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
        """What having moved away from the policy that sampled costs, a 0-d tensor."""
        from anchorgym.gigpo.losses import kl_estimate

        if not len(logprobs):
            return 0.0 * logprobs.sum()
        moved = kl_estimate(old_logprobs, logprobs).mean()
        return (self.beta * (moved.detach() - self.delta)).clamp(min=0) * moved
