"""Group-in-group policy optimization (GiGPO, arXiv 2505.10978): compare turns in equal states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from anchorgym.gigpo import compat as verl
from anchorgym.gigpo.algorithm import Promise, State
from anchorgym.gigpo.algorithms.grpo import GRPO
from anchorgym.gigpo.anchors import step_groups
from anchorgym.gigpo.arrays import LARGEST, FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.normalization import standardise
from anchorgym.gigpo.options import NonNegative, Share, Within
from anchorgym.gigpo.returns import returns_to_go


@dataclass(frozen=True, kw_only=True)
class GiGPO(GRPO):
    """`A(t) = A_E(i) + step_weight * A_S(t)`; `A_E` is GRPO's.

    `A_S(t) = (R_t - mean R) / F` inside the turns of a group that share turn t's anchor, with the
    return-to-go `R_t = sum over k >= t of gamma^(k-t) r_k` of the `rewards`. A state met once gives
    exactly 0, so that without repeated states this is GRPO. Turns of a fork enter step groups.

    Args:
        gamma: discount of the return-to-go.
        step_weight: weight of the step term.
        similarity: None compares anchors exactly; a threshold groups similar texts, see
            `anchorgym.gigpo.anchors.step_groups`.
        penalty_in_steps: also subtract `invalid_penalty` from the rewards that the returns are
            made of, before discounting. Off by default: where nobody won, the penalties are all
            that differs, and `mean_std` blows them up to unit size. (Under `compat` the penalty
            is always subtracted, from the return.)
    """

    gamma: Share = 0.95
    step_weight: NonNegative = 1.0
    similarity: Annotated[float, Within(0, 1, above=True)] | None = None
    penalty_in_steps: bool = False

    @property
    def promises(self) -> frozenset[Promise]:
        """GRPO's, but that forks enter step groups."""
        return super().promises - {"roots_only"}

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Episode plus weighted step advantage of each turn, `(n_turns,)`."""
        return self.episode_advantages(batch) + self.step_weight * self.step_advantages(batch)

    def step_advantages(self, batch: TurnBatch) -> FloatArray:
        """`A_S` of each turn, `(n_turns,)`."""
        if self.compat is not None:
            penalty = self.invalid_penalty
            return verl.step_advantages(batch, self.gamma, self.norm, penalty, self.similarity)
        return standardise(
            self.returns(batch),
            step_groups(batch, self.similarity),
            norm=self.norm,
            tolerance=batch.returns_tolerance,
        )

    def returns(self, batch: TurnBatch) -> FloatArray:
        """`R_t` of each turn, `(n_turns,)`: made of the batch's own if it carries them."""
        penalty: FloatArray = np.zeros(len(batch))
        if self.penalty_in_steps:
            penalty = np.where(batch.valid, 0.0, -self.invalid_penalty)
        if batch.returns is None:
            return returns_to_go(batch, self.gamma, self.rewards(batch) + penalty)
        scaled: FloatArray = np.clip(self.reward_scale * batch.returns, -LARGEST, LARGEST)
        added = self.truncation_rewards(batch) + penalty
        return scaled + returns_to_go(batch, self.gamma, added) if added.any() else scaled
