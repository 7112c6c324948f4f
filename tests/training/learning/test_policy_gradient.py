"""Generalised advantages by their definition, returns, and mini-batches of every epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.training.learning.minibatches import minibatch_epochs
from anchorgym.training.learning.policy_gradient import (
    bootstrapped_returns,
    descend,
    generalized_advantages,
    standardised,
)

SHARE = st.floats(0, 1)


def case(seed: int, turns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    done = rng.random((turns, 3)) < 0.3
    return rng.normal(size=(turns, 3)), rng.normal(size=(turns + 1, 3)), done


@given(st.integers(0, 99), st.integers(1, 9), SHARE, SHARE)
def test_advantages_are_discounted_sums_of_errors_to_the_end_of_the_game(
    seed: int, turns: int, gamma: float, gae_lambda: float
) -> None:
    rewards, values, done = case(seed, turns)
    found = generalized_advantages(rewards, values, done, gamma=gamma, gae_lambda=gae_lambda)
    for game in range(3):
        for t in range(turns):
            total = 0.0
            for k in range(t, turns):
                ahead = 0.0 if done[k, game] else values[k + 1, game]
                error = rewards[k, game] + gamma * ahead - values[k, game]
                total += (gamma * gae_lambda) ** (k - t) * error
                if done[k, game]:
                    break
            assert found[t, game] == pytest.approx(total, abs=1e-9)


def test_one_trajectory_is_a_batch_of_one() -> None:
    rewards, values, _ = case(0, 5)
    done = np.array([False] * 4 + [True])
    one = generalized_advantages(rewards[:, 0], values[:, 0], done, gamma=0.9, gae_lambda=0.8)
    many = generalized_advantages(rewards, values, done[:, None], gamma=0.9, gae_lambda=0.8)
    assert one == pytest.approx(many[:, 0])


def test_at_lambda_one_advantages_are_returns_less_values() -> None:
    rewards, values, done = case(3, 6)
    done[:] = False
    returns = bootstrapped_returns(rewards, values, done, gamma=0.9)
    found = generalized_advantages(rewards, values, done, gamma=0.9, gae_lambda=1.0)
    assert found + values[:-1] == pytest.approx(returns)


def test_returns_go_on_at_a_cut_with_what_is_expected_there() -> None:
    rewards, ahead = np.array([1.0, 1.0]), np.array([7.0, 0.0, 4.0])
    found = bootstrapped_returns(rewards, ahead, np.array([True, False]), gamma=0.5)
    assert found.tolist() == [1 + 0.5 * 7, 1 + 0.5 * 4]


@given(st.integers(0, 40), st.integers(1, 12), st.integers(0, 3), st.booleans())
def test_every_epoch_deals_every_row_once(n: int, size: int, epochs: int, by_torch: bool) -> None:
    rng = torch.Generator().manual_seed(0) if by_torch else np.random.default_rng(0)
    found = [part.tolist() for part in minibatch_epochs(n, size, epochs, rng)]
    assert all(1 <= len(part) <= size for part in found)
    dealt = [row for part in found for row in part]
    assert len(dealt) == n * epochs
    for epoch in range(epochs):
        assert sorted(dealt[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_standardised_advantages_have_mean_zero_and_deviation_one() -> None:
    found = standardised(np.array([1.0, 2.0, 5.0]))
    assert found.mean() == pytest.approx(0, abs=1e-9)
    assert found.std() == pytest.approx(1, abs=1e-6)


def test_a_step_goes_down_and_is_no_longer_than_its_gradient_may_be() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.SGD([weight], 1.0)
    descend(10 * weight.square().sum(), optimizer, [weight], max_grad_norm=1.0)
    assert weight.detach().norm().item() == pytest.approx(4.0, abs=1e-4)
    descend(0.25 * weight.square().sum(), optimizer)
    assert weight.detach().norm().item() == pytest.approx(2.0, abs=1e-4)
