"""Dr. GRPO (arXiv 2503.20783): GRPO without dividing by standard deviation or length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from anchorgym.gigpo.algorithm import State, TokenView
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.normalization import standardise
from anchorgym.gigpo.options import Within

if TYPE_CHECKING:
    from torch import Tensor

    from anchorgym.gigpo.losses import LossStatistics


@dataclass(frozen=True, kw_only=True)
class DrGRPO(EpisodeAlgorithm):
    """`A(i) = S_i - mean_j S_j`; the loss is the sum over tokens by a constant length.

        loss = sum over tokens / (number of trajectories * length)

    Where GRPO divides by the deviation, tasks that are almost always or almost never solved weigh
    more; where a loss divides by a response's own length, long failures are punished less. What is
    a response in the paper is here all that a trajectory wrote, in all its turns, so that neither
    more tokens nor more turns make a failure cheaper. Mini-batches are made of whole trajectories.

    Args:
        length: the constant, in tokens a trajectory.
    """

    minibatch_unit = "trajectory"

    length: Annotated[float, Within(0, above=True)] = 512.0

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Centred score of each turn's trajectory, `(n_turns,)`; 0 for forks."""
        roots = self.roots(batch)
        return roots.per_turn(standardise(roots.score, roots.group, norm="mean"))

    def loss(
        self,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
        advantages: Tensor,
    ) -> tuple[Tensor, LossStatistics]:
        """PPO's terms, summed over tokens and divided by a length that no trajectory changes."""
        if view.totals is None:
            members = max(len(view.trajectory[view.mask].unique()), 1)
        else:
            members = view.totals.trajectories
        changes = {"aggregate": "token_mean", "denominator": members * self.length}
        return self.clipped_loss(view, logprobs, entropy, reference, advantages, **changes)
