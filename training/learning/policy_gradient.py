"""Actor-critic arithmetic: generalised advantages, returns, and one optimizer step.

The clipped objective is `anchorgym.gigpo.ppo_loss`; mini-batches are `minibatch_epochs`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Array = npt.NDArray[np.floating]


def generalized_advantages(
    rewards: Array,
    values: Array,
    done: npt.NDArray[np.bool_],
    *,
    gamma: float,
    gae_lambda: float,
    accumulate: npt.DTypeLike | None = None,
) -> Array:
    """Return generalised advantages, (T, …), of games that are played in parallel.

        delta_t = r_t + gamma (1 - done_t) V_{t+1} - V_t
        A_t     = delta_t + gamma gae_lambda (1 - done_t) A_{t+1}

    Source: Schulman et al. (2016), arXiv 1506.02438. One trajectory is the case (T,), with `done`
    at its end. For a truncated game, add gamma times the value of its final state to its last
    reward.

    Args:
        rewards: (T, …) rewards.
        values: (T + 1, …) values of the states; the last row is of the states after the last turn.
        done: (T, …) whether a game ended with the turn; it is broadcast.
        gamma: discount.
        gae_lambda: lambda of the estimator; 1 gives Monte Carlo returns minus values.
        accumulate: data type of the running sum; by default that of the rewards.
    """
    going = 1.0 - done.astype(rewards.dtype)
    carried = going.astype(accumulate or rewards.dtype)
    advantages = np.zeros_like(rewards)
    ahead = np.zeros(rewards.shape[1:], carried.dtype)
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * going[t] * values[t + 1] - values[t]
        ahead = delta + gamma * gae_lambda * carried[t] * ahead
        advantages[t] = ahead
    return advantages


def bootstrapped_returns(
    rewards: Array, ahead: Array, done: npt.NDArray[np.bool_], *, gamma: float
) -> Array:
    """Return discounted returns, (T, …), which are bootstrapped where a game was cut.

        R_t = r_t + gamma (ahead_t where done_t, else R_{t+1}),   R_T = ahead_T

    Args:
        rewards: (T, …) rewards.
        ahead: (T + 1, …) expected returns after a cut, read where `done`; the last row is of the
            states after the last turn.
        done: (T, …) whether a game was cut after the turn.
        gamma: discount.
    """
    returns, total = np.zeros_like(rewards), ahead[-1].copy()
    for t in reversed(range(len(rewards))):
        total = rewards[t] + gamma * np.where(done[t], ahead[t], total)
        returns[t] = total
    return returns


def standardised(advantages: Array) -> Array:
    """Return advantages with mean 0 and standard deviation 1, (n,)."""
    scaled: Array = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return scaled


def descend(
    loss: Tensor,
    optimizer: torch.optim.Optimizer,
    parameters: Iterable[Tensor] = (),
    *,
    max_grad_norm: float | None = None,
) -> None:
    """Take one step down a loss.

    Args:
        loss: loss, a 0-d tensor.
        optimizer: optimizer of the parameters.
        parameters: parameters whose gradient is clipped to `max_grad_norm`.
        max_grad_norm: largest norm of the gradient; None does not clip.
    """
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(parameters, max_grad_norm)
    optimizer.step()
