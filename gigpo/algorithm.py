"""What an algorithm is: its options, and five decisions with a default each.

A trainer asks, in this order: how many rollouts does each task get (`allocate`), which of the
groups that came back are trained on (`keep`), what is each turn's advantage (`advantages`), what
is minimised (`loss`), and in which units are mini-batches cut (`minibatch_unit`). Most algorithms
answer one of them differently.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

import numpy as np

from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray
from anchorgym.gigpo.batch import LARGEST, TurnBatch
from anchorgym.gigpo.options import NonNegative, Within, check_options

if TYPE_CHECKING:
    from torch import Tensor

    from anchorgym.gigpo.losses import LossStatistics

# What an algorithm remembers between updates: JSON values, saved with every checkpoint.
State = dict[str, Any]
MinibatchUnit = Literal["turn", "trajectory", "group"]
Aggregate = Literal["token_mean", "sequence_mean"]
KLEstimator = Literal["k1", "k2", "k3"]


class TokenView(Protocol):
    """The response tokens of a mini-batch, laid end to end: `(n_tokens,)` tensors."""

    @property
    def old_logprobs(self) -> Tensor:
        """Log-probabilities under the policy that the update started from."""

    @property
    def mask(self) -> Tensor:
        """True for the tokens that are trained on."""

    @property
    def sequence(self) -> Tensor:
        """Index of the token's row in the mini-batch."""


@dataclass(frozen=True, kw_only=True)
class Algorithm(ABC):
    """Base of the algorithms: a frozen dataclass whose fields are its options.

    Options are checked when an algorithm is made; a subclass adds fields with `Annotated` ranges
    or `Literal` choices, see `anchorgym.gigpo.options`. What changes between updates lives in a
    `State`, which the trainer owns, hands to every call, and checkpoints.

    Args:
        clip_low, clip_high: the policy ratio is clipped to [1 - clip_low, 1 + clip_high].
        dual_clip: bound c > 1 on the ratio where the advantage is negative; None leaves it out.
        entropy_coef: weight of the entropy bonus.
        kl_coef: weight of the KL divergence from the reference policy.
        kl: its estimator.
        aggregate: mean over all tokens, or over the token means of sequences.
        reward_scale: the batch's rewards are multiplied by this before anything else.
        truncation_value: what a trajectory that was cut by a limit is taken to be still worth:
            added, as it is, to the reward of its last turn.
    """

    minibatch_unit: ClassVar[MinibatchUnit] = "turn"

    clip_low: Annotated[float, Within(0, 1)] = 0.2
    clip_high: NonNegative = 0.2
    dual_clip: Annotated[float, Within(1, above=True)] | None = 3.0
    entropy_coef: NonNegative = 0.001
    kl_coef: NonNegative = 0.01
    kl: KLEstimator = "k3"
    aggregate: Aggregate = "token_mean"
    reward_scale: Annotated[float, Within(0, above=True)] = 1.0
    truncation_value: Annotated[float, Within()] = 0.0

    def __post_init__(self) -> None:
        check_options(self)

    def initial_state(self) -> State:
        """The state before the first update; empty for most."""
        return {}

    def allocate(self, tasks: Sequence[Hashable], budget: int, state: State) -> IntArray:
        """Rollouts for each task, `(n_tasks,)`, `budget` in all: as equal as can be."""
        share, rest = divmod(budget, max(len(tasks), 1))
        return share + (np.arange(len(tasks)) < rest).astype(np.int64)

    def keep(self, batch: TurnBatch, state: State) -> BoolArray:
        """Which groups are trained on, `(n_groups,)`; the others are sampled anew. All."""
        return np.ones(batch.n_groups, np.bool_)

    def rewards(self, batch: TurnBatch) -> FloatArray:
        """What algorithms use as the reward of each turn, `(n_turns,)`: scaled, truncation valued.

        Penalties are not in it. Scaled rewards stay within `LARGEST`.
        """
        reward = batch.reward
        if self.reward_scale != 1:
            reward = np.clip(reward * self.reward_scale, -LARGEST, LARGEST)
        return reward + self.truncation_rewards(batch) if self.truncation_value else reward

    def truncation_rewards(self, batch: TurnBatch) -> FloatArray:
        """`truncation_value` in the last turns of truncated trajectories, else 0, `(n_turns,)`."""
        value = np.zeros(len(batch))
        value[batch.cut] = self.truncation_value
        return value

    @abstractmethod
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Advantage of each turn, `(n_turns,)`, always finite; may update `state` in place."""

    def loss(
        self,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
        advantages: Tensor,
    ) -> tuple[Tensor, LossStatistics]:
        """What a mini-batch minimises: PPO's clipped objective, see `losses.ppo_loss`.

        All tensors are `(n_tokens,)`; `advantages` holds each turn's value at its tokens.
        """
        from anchorgym.gigpo.losses import ppo_loss  # the only part that needs torch

        return ppo_loss(
            logprobs,
            view.old_logprobs,
            advantages,
            mask=view.mask,
            sequence=view.sequence,
            clip_low=self.clip_low,
            clip_high=self.clip_high,
            dual_clip=self.dual_clip,
            entropy=entropy,
            entropy_coef=self.entropy_coef,
            reference_logprobs=reference,
            kl_coef=self.kl_coef,
            kl=self.kl,
            aggregate=self.aggregate,
        )
