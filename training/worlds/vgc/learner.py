"""The learner of battle networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anchorgym.gigpo import ppo_loss
from anchorgym.training.learning.contract import Sizes, Statistics, means
from anchorgym.training.learning.gradient_learner import GradientLearner
from anchorgym.training.learning.minibatches import minibatch_epochs
from anchorgym.training.worlds.vgc.config import PPOConfig
from anchorgym.training.worlds.vgc.network import BattleNet
from anchorgym.training.worlds.vgc.policy import Batch, Choice, scores


@dataclass(frozen=True, slots=True)
class BattleRows:
    """Training rows of decisions, as columns of n rows."""

    choices: Batch
    """Views of the battle, and the choices that were made in them."""
    logprobs: Tensor
    """(n,) logprobs of the choices when they were sampled."""
    advantages: Tensor
    """(n,) advantages of the choices."""
    returns: Tensor | None = None
    """(n,) target returns of the value; None does not train the value."""

    @classmethod
    def of(
        cls,
        choices: Sequence[Choice],
        advantages: NDArray[np.floating],
        returns: NDArray[np.floating] | None = None,
    ) -> BattleRows:
        """Stack decisions, (n,) each."""
        return cls(
            Batch.of(choices),
            torch.tensor([choice.logprob for choice in choices], dtype=torch.float32),
            torch.tensor(advantages, dtype=torch.float32),
            None if returns is None else torch.tensor(returns, dtype=torch.float32),
        )

    def __len__(self) -> int:
        return len(self.logprobs)

    def take(self, rows: Tensor) -> BattleRows:
        """Return some of the rows."""
        returns = None if self.returns is None else self.returns[rows]
        return BattleRows(
            self.choices.take(rows), self.logprobs[rows], self.advantages[rows], returns
        )


class BattleLearner(GradientLearner[BattleNet]):
    """Trains a network with the clipped objective, and its value if rows have returns.

    Args:
        net: network to train, in place.
        config: settings of PPO.
        dual_clip: bound on the probability ratio for negative advantages; None sets none.
    """

    def __init__(
        self, net: BattleNet, config: PPOConfig, *, dual_clip: float | None = None
    ) -> None:
        super().__init__(net, max_grad_norm=config.max_grad_norm)
        self.config, self.dual_clip = config, dual_clip
        self.values_only = False
        """Whether only the value is trained, and the policy stays unchanged."""
        self.optimizers["adam"] = torch.optim.Adam(net.parameters(), config.learning_rate, eps=1e-5)

    def sizes(self, rows: BattleRows) -> Sizes:
        """Return the number of decisions."""
        return {"decisions": len(rows)}

    def forward_backward(self, rows: BattleRows, of: Sizes | None = None) -> Statistics:
        """Accumulate the gradient of the objective and of the value's error; see `Learner`."""
        config, n = self.config, len(rows) if of is None else of["decisions"]
        self.model.train()
        logprobs, entropy, values = scores(self.model, rows.choices)
        loss, measured = ppo_loss(
            logprobs,
            rows.logprobs,
            rows.advantages,
            clip_low=config.clip,
            clip_high=config.clip,
            dual_clip=self.dual_clip,
            entropy=entropy,
            entropy_coef=config.entropy,
            denominator=n,
        )
        statistics = measured.floats()
        if rows.returns is not None:
            errors = (values - rows.returns).square()
            error = errors.mean() if of is None else errors.sum() / n
            value_loss = config.value_weight * error
            loss = value_loss if self.values_only else value_loss + loss
            statistics["value_error"] = error.item()
        self._backward(loss)
        return {"loss": loss.item(), **statistics}

    def update(self, rows: BattleRows, seed: int | np.random.Generator) -> Statistics:
        """Take the steps of one update; see `Learner.update`. A generator's state advances."""
        config, rng = self.config, np.random.default_rng(seed)
        records = [
            {**self.forward_backward(rows.take(chosen)), **self.step()}
            for chosen in minibatch_epochs(len(rows), config.minibatch, config.epochs, rng)
        ]
        self.version += 1
        rate = self.optimizers["adam"].param_groups[0]["lr"]
        counts = {"learning_rate": rate, "rows": len(rows), "steps": len(records)}
        return {**means(records), **counts}
