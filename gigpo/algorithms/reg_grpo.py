"""Regression GRPO (arXiv 2506.07464): fit log-probability ratios to advantages, unclipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from anchorgym.gigpo.algorithm import TokenView
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.options import Within

if TYPE_CHECKING:
    from torch import Tensor

    from anchorgym.gigpo.losses import LossStatistics


@dataclass(frozen=True, kw_only=True)
class RegGRPO(EpisodeAlgorithm):
    """GRPO's advantage as the target of a regression.

        rho_i = log pi(i) - log pi_old(i)
        A_theta(i) = (rho_i - mean rho) / sqrt(var rho + floor^2), in the group
        loss = mean over trajectories of (A(i) - A_theta(i))^2

    The log-probability of a trajectory is the sum over all that it wrote, in all its turns: they
    are one response in the paper. Mini-batches are made of whole groups, and a trajectory of
    average score counts, as it is to stay where it is. Where an update begins every rho is 0, and
    the quotient would be 0 by 0: `floor` keeps its gradient finite, and hardly counts once ratios
    differ. The variance is that of the whole group. Known from secondary sources.

    Args:
        floor: least spread of rho, in nats.
    """

    minibatch_unit = "group"
    weighable = False  # advantages are targets

    floor: Annotated[float, Within(0, above=True)] = 0.01

    def loss(
        self,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
        advantages: Tensor,
    ) -> tuple[Tensor, LossStatistics]:
        """Squared error of the groups' normalised log ratios."""
        import torch

        from anchorgym.gigpo.losses import segment_means, segment_sums

        mask = view.mask.bool()
        trajectory, members = view.trajectory[mask].unique(return_inverse=True)
        if not len(trajectory):
            return self.own_loss(0.0 * logprobs[mask].sum(), view, logprobs, entropy, reference)
        group = trajectory.new_zeros(len(trajectory)).scatter(0, members, view.group[mask])
        rho = segment_sums((logprobs - view.old_logprobs)[mask], members)
        target = segment_means(advantages[mask], members)
        centred = rho - segment_means(rho, group)[group]
        variance = segment_means(centred.square(), group)[group]
        predicted = centred / torch.sqrt(variance + self.floor**2)
        errors = (target - predicted).square()
        policy = errors.mean() if view.totals is None else errors.sum() / view.totals.trajectories
        return self.own_loss(policy, view, logprobs, entropy, reference)
