"""Weights that did not arrive are told from rounding, however small the updates are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from anchorgym.agents.engines.remote.probing import (
    FloatArray,
    Scores,
    doubt,
    missing_change,
    probe_texts,
    settled,
)

N = 248
BFLOAT16 = 0.04
"""Differences between engines and models in bfloat16, in nats."""


class Training:
    """Log-probabilities of a model that changes a little with each update, and an engine's.

    Args:
        step: size of the change of an update, in nats.
        noise: size of the rounding of either.
        arrives: maps the model's whole change, (n,), to what the engine makes of it.
    """

    def __init__(
        self, step: float, noise: float, arrives: Callable[[FloatArray], FloatArray], seed: int
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.step, self.noise, self.arrives = step, noise, arrives
        self.start = -3 + self.rng.normal(size=N)
        self.change = np.zeros(N)
        self.direction = self.rng.normal(size=N)

    def scores(self) -> Scores:
        here, there = 0.5**0.5 * self.noise * self.rng.normal(size=(2, N))
        made = self.arrives(self.change)
        return Scores(self.start + self.change + here, self.start + made + there)

    def doubted_at(self, updates: int) -> int | None:
        """Return the update at which the engine is doubted."""
        before: Scores | None = None
        for update in range(updates):
            now = self.scores()
            if doubt(before, now, 0.5):
                return update
            if settled(before, now):
                before = now
            self.change = self.change + self.step * (self.direction + self.rng.normal(size=N))
        return None


def half(change: FloatArray) -> FloatArray:
    return np.where(np.arange(N) % 2, change, 0.0)


@pytest.mark.parametrize("step", [1e-4, 1e-3, 1e-2, 0.3])
@pytest.mark.parametrize("noise", [1e-6, BFLOAT16])
def test_rounding_is_never_taken_for_old_weights(step: float, noise: float) -> None:
    for seed in range(20):
        assert Training(step, noise, lambda change: change, seed).doubted_at(60) is None


@pytest.mark.parametrize("arrives", [lambda change: 0 * change, half])
def test_old_weights_are_seen_at_once_where_rounding_is_small(
    arrives: Callable[[FloatArray], FloatArray],
) -> None:
    for seed in range(5):
        assert Training(1e-3, 1e-6, arrives, seed).doubted_at(5) == 1


@pytest.mark.parametrize("arrives", [lambda change: 0 * change, half])
def test_old_weights_are_seen_when_small_changes_have_added_up(
    arrives: Callable[[FloatArray], FloatArray],
) -> None:
    for seed in range(5):
        found = Training(2e-3, BFLOAT16, arrives, seed).doubted_at(120)
        assert found is not None
        assert found > 1  # one update is far smaller than rounding


def test_the_share_that_is_missing_is_estimated_with_its_error() -> None:
    rng = np.random.default_rng(0)
    start, change = rng.normal(size=N), 0.3 * rng.normal(size=N)
    before = Scores(start, start + 0.01 * rng.normal(size=N))
    now = Scores(start + change, start + 0.7 * change + 0.01 * rng.normal(size=N))
    found = missing_change(before, now)
    assert found.share == pytest.approx(0.3, abs=4 * found.error)
    assert found.error < 0.01
    assert missing_change(before, before).error == float("inf")


def test_an_engine_of_another_model_is_doubted_at_first_sight() -> None:
    rng = np.random.default_rng(0)
    assert "can be rounding" in doubt(None, Scores(rng.normal(size=N), rng.normal(size=N)), 0.5)


def test_texts_are_the_same_everywhere_and_fit() -> None:
    texts = probe_texts(100, 16)
    assert texts == probe_texts(100, 16)
    assert all(len(text) == 15 and set(text) <= set(range(100)) for text in texts)
