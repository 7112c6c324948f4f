"""The contract of an algorithm: its options, and a few decisions with a default each.

A trainer asks, in this order: how are tokens drawn (`temperature`), how many rollouts does each
task get (`allocate`), which of the groups that came back are trained on (`keep`), what is each
turn's advantage (`advantages`) and what has the loss to know of each token (`token_columns`), which
earlier samples are trained on again (`replay`), in which units are mini-batches cut
(`minibatch_unit`), and what is minimised (`loss`). Most algorithms answer one of them differently,
and what one does not ask for (`needs`, `replays`) is never computed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

import numpy as np

from anchorgym.gigpo.arrays import LARGEST, BoolArray, FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.columns import TokenColumns
from anchorgym.gigpo.errors import MissingColumnError
from anchorgym.gigpo.options import (
    Aggregate,
    KLEstimator,
    NonNegative,
    Within,
    check_options,
)

if TYPE_CHECKING:
    from torch import Tensor

    from anchorgym.gigpo.losses import LossStatistics

# What an algorithm remembers between updates: JSON values, saved with every checkpoint.
State = dict[str, Any]
MinibatchUnit = Literal["turn", "trajectory", "group"]
Need = Literal["tokens", "entropies", "texts"]
"""What of `TurnBatch.tokens` an algorithm reads ("entropies" includes "tokens"), or that it reads
`TurnBatch.texts`."""
Promise = Literal["zero_sum", "singleton_zero", "per_trajectory", "roots_only"]
"""What `check_algorithm` verifies of an algorithm that claims it:

- zero_sum: where every trajectory of a group has one turn, its advantages add up to 0;
- singleton_zero: a group of one trajectory that meets no state twice gives exactly 0;
- per_trajectory: a trajectory that takes more turns to the same end weighs no more on others;
- roots_only: forks get 0, and change nothing for others. (Those that compare turns taken in one
  state, or value states, do not claim it: that is what forks are for.)
"""


@dataclass(frozen=True)
class EntropyTemperature:
    """Token-wise temperatures `T (1 + strength h)` from the entropy of what a token is drawn from.

    With `x = log(entropy) - centre`, `h = x / above` where x > 0 and `x / below` elsewhere, and
    never beyond [-1, 1].
    """

    strength: float
    centre: float
    above: float
    below: float


@dataclass(frozen=True)
class Sample:
    """A training row as an algorithm that replays sees it.

    Attributes:
        weight: the mean size of its tokens' advantages.
        row: JSON values that the trainer makes and reads: the tokens, their log-probabilities when
            they were sampled, and their advantages.
    """

    weight: float
    row: dict[str, Any]


@dataclass(frozen=True)
class Totals:
    """Sizes of a whole mini-batch, by which the loss of each of its parts is divided."""

    tokens: int
    sequences: int
    """Rows: what one context held."""
    turns: int
    trajectories: int
    groups: int


class TokenView(Protocol):
    """The response tokens of a mini-batch, or of a part of one: `(n_tokens,)` tensors.

    They are laid end to end. What is not asked for is not made.
    """

    @property
    def totals(self) -> Totals | None:
        """Sizes of the mini-batch that these tokens are a part of; None where they are all."""

    @property
    def old_logprobs(self) -> Tensor:
        """Log-probabilities under the policy that the update started from."""

    @property
    def mask(self) -> Tensor:
        """True for the tokens that are trained on."""

    @property
    def sequence(self) -> Tensor:
        """Index of the token's row in the mini-batch: what one context held."""

    @property
    def turn(self) -> Tensor:
        """Index of the token's turn (one response) in the mini-batch."""

    @property
    def trajectory(self) -> Tensor:
        """Index of the token's trajectory in the mini-batch."""

    @property
    def group(self) -> Tensor:
        """Index of the token's group in the mini-batch."""

    @property
    def columns(self) -> Mapping[str, Tensor]:
        """What `Algorithm.token_columns` said of these tokens."""


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
    """What is never split between two mini-batches. Of a unit whose advantages are all 0 nothing
    is trained on, of any other everything is."""
    divisible: ClassVar[bool] = True
    """Whether the losses of a mini-batch's parts, each given `TokenView.totals`, add up to that of
    the whole. Parts never cut a `minibatch_unit`."""
    weighable: ClassVar[bool] = True
    """Whether the loss of each token is proportional to its entry of `advantages`, so that a factor
    of the entry weighs the token."""
    replays: ClassVar[bool] = False
    """Whether `replay` is to be asked."""

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

    @property
    def needs(self) -> frozenset[Need]:
        """What `advantages` and `token_columns` read of tokens and texts; most read nothing."""
        return frozenset()

    @property
    def needs_forks(self) -> bool:
        """Whether it values states by the forks that left them."""
        return False

    @property
    def promises(self) -> frozenset[Promise]:
        """What `check_algorithm` is to verify beyond what holds for every algorithm."""
        return frozenset()

    def tokens_of(self, batch: TurnBatch) -> TokenColumns:
        """The batch's tokens, with what this algorithm `needs`.

        Raises:
            MissingColumnError: the batch lacks it.
        """
        tokens = batch.tokens
        if tokens is None or ("entropies" in self.needs and tokens.entropies is None):
            raise MissingColumnError(
                f"{type(self).__name__} reads the {' and '.join(sorted(self.needs))} of responses: "
                "give tokens=TokenColumns.from_rows(logprobs, entropies) to TurnBatch.from_rows"
            )
        return tokens

    def temperature(self, state: State) -> EntropyTemperature | None:
        """How the sampling temperature depends on entropy; None, as for most, not at all."""
        return None

    def allocate(
        self,
        tasks: Sequence[Hashable],
        budget: int,
        state: State,
        played: Sequence[Sequence[float]] = (),
    ) -> IntArray:
        """Rollouts for each task that are played now, `(n_tasks,)`: as equal as can be.

        Args:
            tasks: of this iteration.
            budget: rollouts that are left. As long as some are, and any are asked for, they are
                played and the question is put again.
            state: what the algorithm remembers.
            played: for each task, the scores of the rollouts so far; empty in the first round.
        """
        share, rest = divmod(budget, max(len(tasks), 1))
        return share + (np.arange(len(tasks)) < rest).astype(np.int64)

    def keep(self, batch: TurnBatch, state: State) -> BoolArray:
        """Which groups are trained on, `(n_groups,)`; the others are sampled anew. All.

        The batch has neither tokens nor bonuses yet: groups are told by how their task went, and
        what is dropped is not worth looking at.
        """
        return np.ones(batch.n_groups, np.bool_)

    def token_columns(
        self, batch: TurnBatch, advantages: FloatArray, state: State | None = None
    ) -> dict[str, FloatArray]:
        """Columns of the tokens for the loss, `(n_tokens,)` by name; for most, none.

        `advantages` are those of the turns; a column of that name replaces them in the loss.
        """
        return {}

    def replay(
        self, fresh: Sequence[Sample], missing: int, state: State, seed: int
    ) -> Sequence[Sample]:
        """Earlier samples that are trained on again, with the log-probabilities of their time.

        Args:
            fresh: rows of this iteration that have an advantage.
            missing: rows that have none, and are left out.
            state: where samples are kept; updated in place.
            seed: of what is drawn.
        """
        return ()

    def rewards(self, batch: TurnBatch) -> FloatArray:
        """The reward of each turn that is learnt from, `(n_turns,)`.

        The batch's rewards and bonuses, scaled, and truncation valued. Penalties are not in it.
        Scaled rewards stay within `LARGEST`.
        """
        return self._scaled(batch, batch.paid)

    def task_rewards(self, batch: TurnBatch) -> FloatArray:
        """`rewards` without the batch's bonuses, `(n_turns,)`: what says who succeeded."""
        return self._scaled(batch, batch.reward)

    def _scaled(self, batch: TurnBatch, reward: FloatArray) -> FloatArray:
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
        return self.clipped_loss(view, logprobs, entropy, reference, advantages)

    def clipped_loss(
        self,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
        advantages: Tensor,
        **changes: Any,
    ) -> tuple[Tensor, LossStatistics]:
        """`losses.ppo_loss` with this algorithm's options, and with `changes` to its arguments."""
        from anchorgym.gigpo.losses import ppo_loss  # the only part that needs torch

        arguments: dict[str, Any] = {
            "mask": view.mask,
            "sequence": view.sequence,
            "clip_low": self.clip_low,
            "clip_high": self.clip_high,
            "dual_clip": self.dual_clip,
            "entropy": entropy,
            "entropy_coef": self.entropy_coef,
            "reference_logprobs": reference,
            "kl_coef": self.kl_coef,
            "kl": self.kl,
            "aggregate": self.aggregate,
            "denominator": self._denominator(view),
        }
        return ppo_loss(logprobs, view.old_logprobs, advantages, **{**arguments, **changes})

    def own_loss(
        self,
        policy_loss: Tensor,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
    ) -> tuple[Tensor, LossStatistics]:
        """A policy term of the algorithm's own, with the entropy bonus and KL of `loss`."""
        from anchorgym.gigpo.losses import regularised

        return regularised(
            policy_loss,
            logprobs,
            view.old_logprobs,
            mask=view.mask,
            entropy=entropy,
            entropy_coef=self.entropy_coef,
            reference_logprobs=reference,
            kl_coef=self.kl_coef,
            kl=self.kl,
            denominator=None if view.totals is None else view.totals.tokens,
        )

    def _denominator(self, view: TokenView) -> int | None:
        """What the terms of a part are divided by; None leaves it to the tokens given."""
        if view.totals is None:
            return None
        tokens = self.aggregate == "token_mean"
        return view.totals.tokens if tokens else view.totals.sequences
