"""Cooperating for the human's gain: an agent that learns what its help is worth to its partner.

Source: Gao et al. (2024), arXiv 2401.16444. The human's primitive value V(s) is what a person
reaches of its own goals beside the agent as it was; the gain is what is reached beyond that, and
a head learns to expect it. The agent's advantage is that of its task plus `alpha` times
(G - V(s)) - expected gain, in games beside a human or its clone.
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
"""What a person wants to do itself, and what each is worth to it."""
MOVE: Final = 0.1
"""What a step is worth that nobody was in the way of."""
_BATCH = 1024
"""States of a step that fits the primitive value."""


@dataclass(frozen=True, slots=True)
class GainConfig:
    """How an agent is tuned.

    Args:
        alpha: weight of the human's gain beside the task; 0 tunes for the task alone.
        primitive: iterations that the agent plays as it was, to fit the primitive value.
        passes: over what was played, to fit it.
        learning_rate: of the primitive value and of the gain.
    """

    alpha: float = 2.0
    primitive: int = 8
    passes: int = 4
    learning_rate: float = 1e-3


TUNING: Final = PPOConfig(
    iterations=60, learning_rate=5e-4, entropy=0.01, shaping=0.0, dual_clip=3.0, partners=0.5
)
"""PPO beside a human in half of the games."""


def goals_of(experience: Experience, batch: KitchenBatch) -> FloatArray:
    """Return what each seat has reached of its own goals in each tick, (T, n, 2)."""
    worth = np.array([GOALS.get(effect.event, 0.0) for effect in batch.effects], np.float32)
    found = worth[experience.effects] + MOVE * experience.moved
    return found.astype(np.float32)


class Gain(SelfPlay):
    """Tunes a cook for the gain of its human partner.

    Args:
        cook: as it was; it is copied.
        human: a clone that stands in for the person.
        config: of the PPO.
        gain: of the rest.
        seed: of all chance.
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
        """Return advantages with the human's gain, where there is a human, and task returns."""
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
        """Return the agent's seats (n, 2), what it saw (T + 1, m, width), human goals (T, m).

        `m` is how many games there are with a human.
        """
        guests = experience.guests
        own = torch.from_numpy(guests[:, ::-1].copy())
        now = torch.from_numpy(self.games.look())[None]
        codes = torch.cat([experience.codes, now])[:, own]
        goals = self.config.scale * goals_of(experience, self.games.batch)[:, guests]
        return own, codes, goals.astype(np.float32)

    def _returns(self, experience: Experience, goals: FloatArray, ahead: Tensor) -> Tensor:
        """Return discounted sums of goals (T, m), with `ahead` (T + 1, m) after the last tick.

        At a horizon the sum goes on with what is expected in the state there, as `ahead` has it
        of the state before: the two are a tick apart.
        """
        done = experience.done[:, experience.guests.any(1)]
        found = bootstrapped_returns(goals, ahead.numpy(), done, gamma=self.config.gamma)
        return torch.from_numpy(found)

    def _fit_primitive(self) -> None:
        """Fit V to what the human reaches beside the agent as it was."""
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
        """Take a step of the expected gain, on states where there was one."""
        there = gained > 0
        if not there.any():
            return
        found = nn.functional.softplus(self.expected(feature[there]))[:, 0]
        descend(nn.functional.mse_loss(found, gained[there]), self._head)


class Mixed(NamedTuple):
    """What came of games of an agent beside a human."""

    scores: NDArray[np.float64]
    """(n,), of the team."""
    goals: NDArray[np.float64]
    """(n,): what the human reached of its own goals, undiscounted."""


def play_beside(
    cook: NeuralCook, human: NeuralCook, games: int, *, ticks: int = 400, seed: int = 0
) -> Mixed:
    """Play whole games of a cook beside a human; in every second one they change seats."""
    room = Games(cook.kitchen, games, ticks + 1, partners=[human], share=1.0, seed=seed)
    room.batch.ticks[:] = 0
    experience = room.play(cook.net, ticks)
    goals = goals_of(experience, room.batch)[:, experience.guests]
    return Mixed(experience.rewards.sum(0).astype(float), goals.sum(0).astype(float))
