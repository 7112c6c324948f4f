"""Correction for engines whose log-probabilities are not those of the learner."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import worlds  # noqa: F401  (registers the test worlds)
from small_policies import small_policy

from anchorgym.agents import Sampling
from anchorgym.envs import make
from anchorgym.gigpo import make_algorithm
from anchorgym.training import EnvPool, Start
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.mismatch import corrected
from anchorgym.training.learning.rows import TokenRow, training_rows
from anchorgym.training.rollout.play import rollout

WORLD = "test/CandidKeyDoor-v0"


def row(logprobs: list[float], turns: list[int]) -> TokenRow:
    n = len(logprobs)
    return TokenRow([5] * (n + 1), [False] + [True] * n, logprobs, [2.0] * n, [()] * n, turns)


def test_a_ratio_is_truncated_and_outliers_are_left_out() -> None:
    given = row([-1.0, -1.0, -1.0, -1.0, float("nan")], [0] * 5)
    own = -1.0 + np.log([1.0, 0.5, 3.0, 20.0, 1.0])
    (found,), measured = corrected([given], [own], "token", cap=2.0, limit=8.0)
    np.testing.assert_allclose(found.advantages, [2.0, 1.0, 4.0, 0.0, 0.0])
    np.testing.assert_allclose(found.logprobs, own)
    assert measured["mismatch_max"] == pytest.approx(20)
    assert measured["mismatch_dropped"] == pytest.approx(2 / 5)
    assert measured["mismatch_unknown"] == pytest.approx(1 / 5)
    assert measured["mismatch_ess"] == pytest.approx(3.5**2 / (5 * 5.25))


def test_a_turn_has_the_ratio_of_its_whole_response() -> None:
    given = row([-1.0] * 4, [0, 0, 1, 1])
    own = -1.0 + np.log([1.2, 1.5, 0.5, 0.1])
    (found,), measured = corrected([given], [own], "turn", cap=2.0, limit=8.0)
    np.testing.assert_allclose(found.advantages, [3.6, 3.6, 0.0, 0.0])
    assert measured["mismatch_dropped"] == 0.5


def test_advantages_that_are_no_factors_stay_as_they_are() -> None:
    given = row([-1.0, -1.0], [0, 0])
    own = -1.0 + np.log([0.5, 20.0])
    (found,), measured = corrected([given], [own], "token", cap=2.0, limit=8.0, weighable=False)
    assert found.advantages == given.advantages
    np.testing.assert_allclose(found.logprobs, own)
    assert measured["mismatch_max"] == pytest.approx(20)
    assert measured["mismatch_dropped"] == 0


def rows_and_learner(**config: Any) -> tuple[list[TokenRow], LanguageLearner]:
    policy = small_policy(WORLD, tasks=10, max_response=4, form="window")
    panel = make(WORLD).tasks()
    starts = [Start(panel[i % 2], i % 2, i) for i in range(8)]
    episodes = rollout(policy, EnvPool.of(WORLD, max_turns=4), starts, Sampling(4, 0.7, seed=5))
    turns = sum(len(episode.turns) for episode in episodes)
    rows = training_rows(episodes, np.linspace(-1, 1, turns))
    settings = LearnerConfig(minibatch=len(rows), **config)
    learner = LanguageLearner(
        policy, make_algorithm("grpo", kl_coef=0.0), settings, temperature=0.7
    )
    return rows, learner


def noisy(rows: list[TokenRow], sigma: float) -> list[TokenRow]:
    """Return rows whose log-probabilities are those of an engine that errs."""
    rng = np.random.default_rng(0)
    return [
        replace(r, logprobs=(r.logprobs + sigma * rng.standard_normal(len(r.logprobs))).tolist())
        for r in rows
    ]


def test_an_exact_engine_is_not_corrected() -> None:
    rows, learner = rows_and_learner()
    assert not any(name.startswith("mismatch") for name in learner.update(rows, 0))
    rows, learner = rows_and_learner(correction="token")
    measured = learner.update(rows, 0)
    assert measured["mismatch_kl"] < 1e-9
    assert measured["mismatch_ess"] == pytest.approx(1, abs=1e-6)


def test_noise_of_an_engine_is_measured() -> None:
    rows, learner = rows_and_learner()
    learner._exact = False
    measured = learner.update(noisy(rows, 0.3), 0)
    assert measured["mismatch_kl"] == pytest.approx(0.3**2 / 2, rel=0.35)
    assert 0.8 < measured["mismatch_ess"] < 0.97
    assert measured["mismatch_max"] > 1.3


def test_corrected_rows_start_from_the_learner() -> None:
    """The clipped ratio is that of the learner before and after a step, not of the engine."""
    rows, learner = rows_and_learner(correction="token", correction_cap=1, correction_limit=1e9)
    given = noisy(rows, 2.0)
    fixed, _ = learner._corrected(given)
    measured = learner.forward_backward(fixed)
    assert measured["clip_fraction"] == 0
    learner.drop_gradients()
    assert learner.forward_backward(given)["clip_fraction"] > 0.3
