"""PPO on battles: a payoff at the end, generalised advantage estimation, the clipped objective.

One file to read top to bottom. What common implementations have and this has not: discounting (a
battle is short, and a win is a win), reward shaping, and advantages that are normalised a
minibatch at a time (here it is once an update). The clipped loss is `anchorgym.gigpo.ppo_loss`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anchorgym.gigpo import ppo_loss
from anchorgym.training.run.checkpoints import Tensors
from anchorgym.training.worlds.vgc.config import PPOConfig
from anchorgym.training.worlds.vgc.network import BattleNet
from anchorgym.training.worlds.vgc.policy import Batch, Choice, scores


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One seat's decisions in a battle that has ended."""

    choices: Sequence[Choice]
    payoff: float
    """1 for a win, -1 for a loss, else 0."""


class Learner:
    """Improves a network in place.

    Args:
        net: what learns.
        config: how.
    """

    def __init__(self, net: BattleNet, config: PPOConfig) -> None:
        self.net, self.config = net, config
        self.optimizer = torch.optim.Adam(net.parameters(), config.learning_rate, eps=1e-5)

    def update(
        self, trajectories: Sequence[Trajectory], seed: int, *, value_only: bool = False
    ) -> dict[str, float]:
        """Learn from battles that were just played; return what can be said of it.

        Args:
            trajectories: of the network's own seats.
            seed: of the order of decisions.
            value_only: leave what is chosen as it is.
        """
        trajectories = [trajectory for trajectory in trajectories if trajectory.choices]
        if not trajectories:
            return {}
        rows = [choice for trajectory in trajectories for choice in trajectory.choices]
        judged = [advantages(trajectory, self.config.gae_lambda) for trajectory in trajectories]
        gains = np.concatenate([gain for gain, _ in judged])
        returns = torch.from_numpy(np.concatenate([goal for _, goal in judged]))
        scaled = torch.from_numpy((gains - gains.mean()) / (gains.std() + 1e-8))
        old = torch.tensor([row.logprob for row in rows], dtype=torch.float32)
        batch, rng = Batch.of(rows), np.random.default_rng(seed)
        found = []
        self.net.train()
        for _ in range(self.config.epochs):
            order = rng.permutation(len(rows))
            for at in range(0, len(order), self.config.minibatch):
                chosen = torch.from_numpy(order[at : at + self.config.minibatch])
                part = old[chosen], scaled[chosen], returns[chosen]
                found.append(self._step(batch.take(chosen), *part, value_only))
        self.net.eval()
        means = {name: float(np.mean([f[name] for f in found])) for name in found[0]}
        payoffs = [trajectory.payoff for trajectory in trajectories]
        return {**means, "payoff": float(np.mean(payoffs)), "decisions": float(len(rows))}

    def _step(
        self, batch: Batch, old: Tensor, gains: Tensor, returns: Tensor, value_only: bool
    ) -> dict[str, float]:
        config = self.config
        logprobs, entropy, values = scores(self.net, batch)
        error = (values - returns).square().mean()
        loss = config.value_weight * error
        policy, statistics = ppo_loss(
            logprobs,
            old,
            gains,
            clip_low=config.clip,
            clip_high=config.clip,
            dual_clip=None,
            entropy=entropy,
            entropy_coef=config.entropy,
        )
        if not value_only:
            loss = loss + policy
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), config.max_grad_norm)
        self.optimizer.step()
        told = statistics.floats()
        kept = ("clip_fraction", "approximate_kl", "entropy")
        return {**{name: told[name] for name in kept}, "value_error": error.item()}

    def tensors(self) -> dict[str, Tensors]:
        """Return all that has to be kept between two updates."""
        state = self.optimizer.state_dict()["state"]
        moments = {f"{i}.{name}": value for i, of in state.items() for name, value in of.items()}
        return {"net": self.net.state_dict(), "adam": moments}

    def resume(self, tensors: dict[str, Tensors]) -> None:
        """Go on from what `tensors` returned."""
        self.net.load_state_dict(tensors["net"])
        known = self.optimizer.state_dict()
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors["adam"].items():
            number, _, name = key.partition(".")
            state.setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict({**known, "state": state})


def advantages(
    trajectory: Trajectory, gae_lambda: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the advantage of each decision and the value to learn, (n_decisions,) each.

    Generalised advantage estimation (Schulman et al. 2016) without discount; the payoff comes after
    the last decision.
    """
    values = np.array([choice.value for choice in trajectory.choices], np.float32)
    gains = np.zeros_like(values)
    following = carried = 0.0
    for i in reversed(range(len(values))):
        target = trajectory.payoff if i == len(values) - 1 else following
        carried = float(target - values[i]) + gae_lambda * carried
        gains[i], following = carried, float(values[i])
    return gains, gains + values
