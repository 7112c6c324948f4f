"""Tuning of an agent for the human's gain: the benefit of its help for its human partner.

Source: Gao et al. (2024), arXiv 2401.16444. The human's primitive value V(s) is the human's return
on its own goals beside the original agent; the gain is the return beyond that, which a head of the
network predicts. In games with a human or its clone, the agent's advantage is that of its task plus
`alpha` times (G - V(s)) - expected gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anchorgym.envs.overcooked.batch import KitchenBatch
from anchorgym.envs.overcooked.codes import FloatArray
from anchorgym.training.learning.minibatches import minibatch_epochs
from anchorgym.training.learning.policy_gradient import bootstrapped_returns, descend
from anchorgym.training.worlds.overcooked.config import PPOConfig
from anchorgym.training.worlds.overcooked.games import Experience, Games
from anchorgym.training.worlds.overcooked.network import CookNet, NeuralCook
from anchorgym.training.worlds.overcooked.ppo import SelfPlay

GOALS: Final = {"soup_delivery": 5.0, "soup_pickup": 3.0, "potting_onion": 3.0,
                "potting_tomato": 3.0}  # fmt: skip
"""Goals of a person, with the reward of each."""
MOVE: Final = 0.1
"""Reward of a step that was not blocked."""
_BATCH = 1024
"""Number of states in a step that fits the primitive value."""


@dataclass(frozen=True, slots=True)
class GainConfig:
    """The settings of tuning for the human's gain.

    Args:
        alpha: weight of the human's gain beside the task; 0 tunes for the task alone.
        primitive: number of iterations of the original agent, to fit the primitive value.
        passes: number of passes over the games of these iterations.
        learning_rate: learning rate of the primitive value and of the expected gain.
    """

    alpha: float = 2.0
    primitive: int = 8
    passes: int = 4
    learning_rate: float = 1e-3


TUNING: Final = PPOConfig(
    iterations=60, learning_rate=5e-4, entropy=0.01, shaping=0.0, dual_clip=3.0, partners=0.5
)
"""Default settings of PPO, with a human in half of the games."""


def goals_of(experience: Experience, batch: KitchenBatch) -> FloatArray:
    """Return the reward of each seat for its own goals in each tick, (T, n, 2)."""
    worth = np.array([GOALS.get(effect.event, 0.0) for effect in batch.effects], np.float32)
    found = worth[experience.effects] + MOVE * experience.moved
    return found.astype(np.float32)


class Gain(SelfPlay):
    """Tunes a cook for the gain of its human partner.

    Args:
        cook: original cook, which is copied.
        human: clone that stands in for the human.
        config: settings of PPO.
        gain: settings of the gain.
        seed: seed of all random draws.
    """

    def __init__(
        self,
        cook: NeuralCook,
        human: NeuralCook,
        config: PPOConfig = TUNING,
        gain: GainConfig | None = None,
        *,
        seed: int = 0,
    ) -> None:
        own = CookNet(cook.net.width, cook.net.hidden)
        own.load_state_dict(cook.net.state_dict())
        super().__init__(cook.kitchen, config, seed=seed, net=own, partners=[human])
        self.gain = gain or GainConfig()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.primitive = CookNet(own.width, own.hidden).critic
            self.expected = nn.Linear(own.hidden, 1)
        self._head = torch.optim.Adam(self.expected.parameters(), self.gain.learning_rate)
        self._fit_primitive()

    def compute_advantages(self, experience: Experience, done: float) -> tuple[Tensor, Tensor]:
        """Return advantages, in games with a human including its gain, and task returns."""
        advantages, returns = super().compute_advantages(experience, done)
        own, codes, goals = self._beside_human(experience)
        with torch.no_grad():
            primitive, feature = self.primitive(codes)[..., 0], self.net.actor[:-1](codes)
            expected = nn.functional.softplus(self.expected(feature))[..., 0]
        reached = self._returns(experience, goals, primitive + expected)
        gained, expected = reached - primitive[:-1], expected[:-1]
        self._fit_head(feature[:-1], gained)
        advantages = advantages.clone()
        advantages[:, own] += self.gain.alpha * (gained - expected)
        return advantages, returns

    # Details --------------------------------------------------------------------------------

    def _beside_human(self, experience: Experience) -> tuple[Tensor, Tensor, FloatArray]:
        """Return the agent's seats (n, 2), its codes (T + 1, m, width), and human rewards (T, m).

        `m` is the number of games with a human.
        """
        guests = experience.guests
        own = torch.from_numpy(guests[:, ::-1].copy())
        now = torch.from_numpy(self.games.look())[None]
        codes = torch.cat([experience.codes, now])[:, own]
        goals = self.config.scale * goals_of(experience, self.games.batch)[:, guests]
        return own, codes, goals.astype(np.float32)

    def _returns(self, experience: Experience, goals: FloatArray, ahead: Tensor) -> Tensor:
        """Return discounted sums of goals (T, m), with `ahead` (T + 1, m) after the last tick.

        At a horizon the sum is bootstrapped with `ahead` of the state one tick before the final
        one, as an approximation.
        """
        done = experience.done[:, experience.guests.any(1)]
        found = bootstrapped_returns(goals, ahead.numpy(), done, gamma=self.config.gamma)
        return torch.from_numpy(found)

    def _fit_primitive(self) -> None:
        """Fit V to the human's returns beside the original agent."""
        optimizer = torch.optim.Adam(self.primitive.parameters(), self.gain.learning_rate)
        for number in range(self.gain.primitive):
            experience = self.games.play(self.net, self.config.horizon)
            _, codes, goals = self._beside_human(experience)
            with torch.no_grad():
                ahead = self.primitive(codes)[..., 0] if number else torch.zeros(codes.shape[:2])
            reached = self._returns(experience, goals, ahead)
            rows, targets = codes[:-1].flatten(0, 1), reached.flatten()
            for chosen in minibatch_epochs(len(rows), _BATCH, self.gain.passes, self._order):
                found = self.primitive(rows[chosen])[:, 0]
                descend(nn.functional.mse_loss(found, targets[chosen]), optimizer)
        self.primitive.requires_grad_(False)

    def _fit_head(self, feature: Tensor, gained: Tensor) -> None:
        """Take an optimizer step of the expected gain, in states of games with a human."""
        there = gained > 0
        if not there.any():
            return
        found = nn.functional.softplus(self.expected(feature[there]))[:, 0]
        descend(nn.functional.mse_loss(found, gained[there]), self._head)


class Mixed(NamedTuple):
    """The results of games of an agent beside a human."""

    scores: NDArray[np.float64]
    """(n,) scores of the team."""
    goals: NDArray[np.float64]
    """(n,) undiscounted returns of the human on its own goals."""


def play_beside(
    cook: NeuralCook, human: NeuralCook, games: int, *, ticks: int = 400, seed: int = 0
) -> Mixed:
    """Play whole games of a cook beside a human, who swap seats in every second game."""
    room = Games(cook.kitchen, games, ticks + 1, partners=[human], share=1.0, seed=seed)
    room.batch.ticks[:] = 0
    experience = room.play(cook.net, ticks)
    goals = goals_of(experience, room.batch)[:, experience.guests]
    return Mixed(experience.rewards.sum(0).astype(float), goals.sum(0).astype(float))
