"""Self-play PPO on the batched kitchen: both seats are one network, which learns from both.

Left out of PPO as it is often written: value clipping, gradient norms of single layers, and early
stopping by the divergence. Shaped rewards fade to nothing, so what is learnt last is the score.
Source: Schulman et al. (2017), arXiv 1707.06347; generalised advantages, arXiv 1506.02438.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from anchorgym.envs.overcooked import Kitchen
from anchorgym.envs.overcooked.codes import Codes
from anchorgym.training.worlds.overcooked.config import PPOConfig
from anchorgym.training.worlds.overcooked.games import Experience, Games, advantages_of
from anchorgym.training.worlds.overcooked.network import CookNet, NeuralCook


class Progress(NamedTuple):
    """Where training is."""

    iteration: int
    """From 1."""
    score: float
    """Mean of the games that ended in the last iterations; NaN before the first has."""
    entropy: float
    steps: int
    """Ticks of all games so far."""
    seconds: float
    """CPU time so far."""


class SelfPlay:
    """Trains one network in both seats.

    Args:
        kitchen: where.
        config: how.
        seed: of weights and all chance.
        net: to go on from; by default a new one.
        partners: cooks that play a seat in some of the games; nothing is learnt from their turns.
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
        self._optimizer = torch.optim.Adam(self.net.parameters(), eps=1e-5)
        self.games = Games(
            kitchen,
            self.config.games,
            self.config.horizon,
            partners=partners,
            share=self.config.partners,
            seed=seed,
        )
        self._began = time.process_time()

    def train(self) -> Iterator[Progress]:
        """Train to the end; yield after each iteration."""
        config = self.config
        for number in range(config.iterations):
            done = number / config.iterations
            experience = self.games.play(self.net, config.ticks)
            entropy = self._update(experience, *self.compute_advantages(experience, done), done)
            self.games.scores = self.games.scores[-config.games :]
            scores = self.games.scores
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
            experience: of this iteration.
            done: the share of the training that is over.
        """
        config = self.config
        shaping = max(0.0, 1.0 - done / config.shaping) if config.shaping else 0.0
        paid = config.scale * (experience.rewards[..., None] + shaping * experience.shaped)
        return advantages_of(experience, paid.astype(np.float32), config.gamma, config.gae_lambda)

    def cook(self, *, greedy: bool = False) -> NeuralCook:
        """Return the network as a cook."""
        about = {"seed": self.seed, "ppo": self.config.model_dump()}
        return NeuralCook(self.kitchen, self.net, greedy=greedy, about=about)

    def _update(
        self, experience: Experience, advantages: Tensor, returns: Tensor, done: float
    ) -> float:
        """Take the steps of an iteration; return the mean entropy."""
        config = self.config
        self._optimizer.param_groups[0]["lr"] = config.learning_rate * (1.0 - done)
        own = torch.from_numpy(~experience.guests).expand_as(advantages)
        rows = [part[own] for part in experience[:3]]
        rows += [advantages[own], returns[own]]
        entropies = []
        for _ in range(config.epochs):
            order = torch.randperm(len(rows[0]), generator=self._order)
            for chosen in order.chunk(config.minibatches):
                loss, entropy = self._loss(*(part[chosen] for part in rows), done=done)
                self._optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
                self._optimizer.step()
                entropies.append(float(entropy))
        return float(np.mean(entropies))

    def _loss(
        self,
        codes: Tensor,
        actions: Tensor,
        before: Tensor,
        advantages: Tensor,
        returns: Tensor,
        *,
        done: float,
    ) -> tuple[Tensor, Tensor]:
        config = self.config
        logs, values = self.net(codes)
        ratio = (logs.gather(-1, actions[:, None])[:, 0] - before).exp()
        gain = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        kept = torch.minimum(ratio * gain, ratio.clamp(1 - config.clip, 1 + config.clip) * gain)
        if config.dual_clip:
            kept = torch.where(gain < 0, torch.maximum(kept, config.dual_clip * gain), kept)
        entropy = -(logs.exp() * logs).sum(-1).mean()
        weight = config.entropy * (1.0 - 0.9 * done)
        error = nn.functional.mse_loss(values, returns)
        return config.value * error - kept.mean() - weight * entropy, entropy.detach()
