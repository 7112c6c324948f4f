"""PPO on battles, with a payoff at the end, generalised advantages and a clipped objective.

Unlike common implementations, it has no discounting (battles are short) and no reward shaping, and
standardises advantages once an update, not in each mini-batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anchorgym.training.learning.contract import Statistics
from anchorgym.training.learning.policy_gradient import generalized_advantages, standardised
from anchorgym.training.worlds.vgc.learner import BattleLearner, BattleRows
from anchorgym.training.worlds.vgc.policy import Choice


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One seat's decisions in a finished battle."""

    choices: Sequence[Choice]
    payoff: float
    """Payoff of the seat: 1 for a win, -1 for a loss, else 0."""


def learn_from(learner: BattleLearner, trajectories: Sequence[Trajectory], seed: int) -> Statistics:
    """Update a network from battles that it has just played; return statistics.

    Args:
        learner: learner of the network.
        trajectories: trajectories of the network's own seats.
        seed: seed of the order of decisions.
    """
    trajectories = [trajectory for trajectory in trajectories if trajectory.choices]
    if not trajectories:
        return {}
    gae_lambda = learner.config.gae_lambda
    estimates = [advantages(trajectory, gae_lambda) for trajectory in trajectories]
    rows = BattleRows.of(
        [choice for trajectory in trajectories for choice in trajectory.choices],
        standardised(np.concatenate([values for values, _ in estimates])),
        np.concatenate([returns for _, returns in estimates]),
    )
    measured = learner.update(rows, seed)
    payoffs = [trajectory.payoff for trajectory in trajectories]
    return {**measured, "payoff": float(np.mean(payoffs)), "decisions": float(len(rows))}


def advantages(
    trajectory: Trajectory, gae_lambda: float
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the advantage and the target return of each decision, (n_decisions,) each.

    There is no discounting; the payoff comes after the last decision.
    """
    values = np.array([choice.value for choice in trajectory.choices], np.float32)
    rewards, done = np.zeros_like(values), np.zeros(len(values), np.bool_)
    rewards[-1], done[-1] = trajectory.payoff, True
    found = generalized_advantages(
        rewards,
        np.append(values, np.float32(0)),
        done,
        gamma=1.0,
        gae_lambda=gae_lambda,
        accumulate=np.float64,
    )
    return found, found + values
