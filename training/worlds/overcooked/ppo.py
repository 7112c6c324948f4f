"""Self-play PPO on the batched kitchen: one network plays both seats and learns from both.

Left out of common PPO variants: value clipping, gradient norms of single layers, and early stopping
by the divergence. Shaped rewards fade to 0, so that training ends on the score alone.
Source: Schulman et al. (2017), arXiv 1707.06347; generalised advantages, arXiv 1506.02438.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from anchorgym.envs.overcooked import Kitchen
from anchorgym.envs.overcooked.codes import Codes
from anchorgym.gigpo import ppo_loss
from anchorgym.training.learning.contract import Sizes, SplitError, Statistics, means
from anchorgym.training.learning.gradient_learner import GradientLearner
from anchorgym.training.learning.minibatches import minibatch_epochs
from anchorgym.training.learning.policy_gradient import generalized_advantages
from anchorgym.training.run.checkpoints import Checkpoint
from anchorgym.training.run.recovery import Recovery
from anchorgym.training.worlds.overcooked.config import PPOConfig
from anchorgym.training.worlds.overcooked.games import Experience, Games
from anchorgym.training.worlds.overcooked.network import CookNet, NeuralCook


class Progress(NamedTuple):
    """The progress of training."""

    iteration: int
    """Number of the iteration, from 1."""
    score: float
    """Mean score of the games that ended in the last iterations; NaN if none has ended yet."""
    entropy: float
    steps: int
    """Number of ticks of all games so far."""
    seconds: float
    """CPU seconds so far."""

    def __str__(self) -> str:
        ended = not math.isnan(self.score)
        score = f"score {self.score:.0f}" if ended else "no game has ended yet"
        return f"{score}, entropy {self.entropy:.2f}"


class SelfPlay:
    """Trains one network in both seats.

    Args:
        kitchen: kitchen of the games.
        config: settings of PPO.
        seed: seed of the initial weights and of all random draws.
        net: network to train further; by default a new one.
        partners: cooks that play a seat in some of the games, whose turns are not trained on.
    """

    def __init__(
        self,
        kitchen: Kitchen,
        config: PPOConfig | None = None,
        *,
        seed: int = 0,
        net: CookNet | None = None,
        partners: Sequence[NeuralCook] = (),
    ) -> None:
        self.kitchen, self.config, self.seed = kitchen, config or PPOConfig(), seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = net or CookNet(Codes(kitchen).width)
        self._order = torch.Generator().manual_seed(seed)
        self.learner = CookLearner(self.net, self.config)
        self.games = Games(
            kitchen,
            self.config.games,
            self.config.horizon,
            partners=partners,
            share=self.config.partners,
            seed=seed,
        )
        self.done = 0
        """Number of iterations so far."""
        self._began = time.process_time()

    def save(self, recovery: Recovery) -> None:
        """Save a checkpoint between two iterations."""
        state = {
            "done": self.done,
            "order": bytes(self._order.get_state().tolist()).hex(),
            "seconds": time.process_time() - self._began,
        }
        recovery.save(state, {"learner": self.learner, "games": self.games})

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.done = saved.state["done"]
        self._order.set_state(
            torch.tensor(list(bytes.fromhex(saved.state["order"])), dtype=torch.uint8)
        )
        self._began = time.process_time() - saved.state["seconds"]
        self.learner.load(saved.part("learner"))
        self.games.load(saved.part("games"))

    def train(self) -> Iterator[Progress]:
        """Train to the end; yield after each iteration."""
        config = self.config
        for number in range(self.done, config.iterations):
            done = number / config.iterations
            experience = self.games.play(self.net, config.ticks)
            entropy = self._update(experience, *self.compute_advantages(experience, done), done)
            self.games.scores = self.games.scores[-config.games :]
            scores = self.games.scores
            self.done = number + 1
            yield Progress(
                number + 1,
                float(np.mean(scores)) if scores else float("nan"),
                entropy,
                (number + 1) * config.ticks * config.games,
                time.process_time() - self._began,
            )

    def compute_advantages(self, experience: Experience, done: float) -> tuple[Tensor, Tensor]:
        """Return advantages and returns, (T, n, 2) each.

        Args:
            experience: trajectories of this iteration.
            done: share of the training that is done.
        """
        config = self.config
        shaping = max(0.0, 1.0 - done / config.shaping) if config.shaping else 0.0
        paid = config.scale * (experience.rewards[..., None] + shaping * experience.shaped)
        advantages = torch.from_numpy(
            # A game that reaches its horizon is truncated, so its final state's value is added.
            generalized_advantages(
                paid.astype(np.float32) + config.gamma * experience.horizon,
                experience.values.numpy(),
                experience.done[..., None],
                gamma=config.gamma,
                gae_lambda=config.gae_lambda,
            )
        )
        return advantages, advantages + experience.values[:-1]

    def cook(self, *, greedy: bool = False) -> NeuralCook:
        """Return the network as a cook."""
        about = {"seed": self.seed, "ppo": self.config.model_dump()}
        return NeuralCook(self.kitchen, self.net, greedy=greedy, about=about)

    def _update(
        self, experience: Experience, advantages: Tensor, returns: Tensor, done: float
    ) -> float:
        """Take the optimizer steps of an iteration; return the mean entropy."""
        self.learner.set_learning_rate(self.config.learning_rate * (1.0 - done))
        self.learner.entropy_coef = self.config.entropy * (1.0 - 0.9 * done)
        own = torch.from_numpy(~experience.guests).expand_as(advantages)
        parts = (*experience[:3], advantages, returns)
        rows = CookRows(*(part[own] for part in parts))
        return self.learner.update(rows, self._order)["entropy"]


class CookRows(NamedTuple):
    """Decisions of cooks, as columns of n rows."""

    codes: Tensor
    """(n, width) codes of the observations."""
    actions: Tensor
    """(n,) actions of the cooks."""
    logprobs: Tensor
    """(n,) logprobs of the actions when they were sampled."""
    advantages: Tensor
    """(n,) advantages of the actions."""
    returns: Tensor
    """(n,) target returns of the value."""

    @property
    def n(self) -> int:
        """Number of decisions."""
        return len(self.actions)

    def take(self, rows: Tensor) -> CookRows:
        """Return some of the rows."""
        return CookRows(*(part[rows] for part in self))


class CookLearner(GradientLearner[CookNet]):
    """Trains a cook's network by PPO; see `Learner`.

    Args:
        net: network to train, in place.
        config: settings of PPO.
    """

    def __init__(self, net: CookNet, config: PPOConfig) -> None:
        super().__init__(net, max_grad_norm=config.max_grad_norm)
        self.config, self.entropy_coef = config, config.entropy
        self.optimizers["adam"] = torch.optim.Adam(net.parameters(), eps=1e-5)

    def sizes(self, rows: CookRows) -> Sizes:
        """Return the number of decisions."""
        return {"decisions": rows.n}

    def forward_backward(self, rows: CookRows, of: Sizes | None = None) -> Statistics:
        """Accumulate the gradient of PPO's loss, over advantages that are standardised here.

        Raises:
            SplitError: `of` is given, but advantages are standardised over a whole mini-batch.
        """
        if of is not None:
            raise SplitError("advantages are standardised over a whole mini-batch: give it whole")
        config = self.config
        logs, values = self.model(rows.codes)
        advantages = rows.advantages
        policy_loss, measured = ppo_loss(
            logs.gather(-1, rows.actions[:, None])[:, 0],
            rows.logprobs,
            (advantages - advantages.mean()) / (advantages.std() + 1e-8),
            clip_low=config.clip,
            clip_high=config.clip,
            dual_clip=config.dual_clip or None,
            entropy=-(logs.exp() * logs).sum(-1),
            entropy_coef=self.entropy_coef,
        )
        error = nn.functional.mse_loss(values, rows.returns)
        loss = config.value * error + policy_loss
        self._backward(loss)
        return {"loss": loss.item(), **measured.floats(), "value_error": error.item()}

    def update(self, rows: CookRows, seed: int | torch.Generator) -> Statistics:
        """Take the steps of an iteration; see `Learner.update`. A generator's state advances."""
        config = self.config
        rng = torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed
        size = -(-rows.n // config.minibatches)
        records = [
            {**self.forward_backward(rows.take(chosen)), **self.step()}
            for chosen in minibatch_epochs(rows.n, size, config.epochs, rng)
        ]
        self.version += 1
        rate = self.optimizers["adam"].param_groups[0]["lr"]
        counts = {"learning_rate": rate, "rows": rows.n, "steps": len(records)}
        return {**means(records), **counts}
