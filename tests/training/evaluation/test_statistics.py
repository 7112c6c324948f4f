"""Statistics, against enumeration and against worlds whose truth is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from anchorgym.training.evaluation.statistics import (
    Interval,
    bootstrap,
    difference_interval,
    over_seeds,
    pass_all,
    pass_at,
    share_interval,
    sign_test,
    success_interval,
)


def test_the_interval_holds_a_known_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(500):
        interval = bootstrap(rng.normal(0.4, 1.0, size=80))
        held += interval.low <= 0.4 <= interval.high
    assert 0.925 <= held / 500 <= 0.975


def test_winning_everything_is_not_certainty() -> None:
    everything, nothing = success_interval(np.ones(20)), success_interval(np.zeros(20))
    assert (everything.mean, everything.high) == (1.0, 1.0)
    assert everything.low == pytest.approx(0.839, abs=1e-3)  # Wilson's interval of 20 of 20
    assert (nothing.mean, nothing.low) == (0.0, 0.0)
    assert nothing.high == pytest.approx(0.161, abs=1e-3)
    assert share_interval(np.ones(20), 4) == everything, "20 tasks, however often each is played"


def test_the_interval_is_the_same_each_time_and_holds_the_mean() -> None:
    values = np.random.default_rng(1).normal(size=50)
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values).low < values.mean() < bootstrap(values).high


def test_the_bootstrap_is_that_of_all_resamples() -> None:
    values = np.array([0.0, 0.25, 0.25, 1.0, 0.5])
    means = [np.mean(drawn) for drawn in itertools.product(values, repeat=len(values))]
    low, high = np.quantile(means, [0.025, 0.975])
    found = bootstrap(values)
    assert found.low == pytest.approx(low, abs=0.051)
    assert found.high == pytest.approx(high, abs=0.051)
    assert found.mean == pytest.approx(np.mean(means))


@pytest.mark.parametrize("tasks", [8, 30, 140])
@pytest.mark.parametrize(("a", "b"), [(8.0, 2.0), (0.4, 0.4), (20.0, 0.5)])
def test_intervals_of_several_episodes_a_task_hold_the_truth(
    tasks: int, a: float, b: float
) -> None:
    """Tasks differ in how hard they are; what is claimed is about tasks like these."""
    rng = np.random.default_rng(7)
    held = 0
    for n in range(200):
        chances = rng.beta(a, b, size=tasks)
        interval = share_interval(rng.binomial(4, chances) / 4, 4, seed=n)
        held += interval.low <= a / (a + b) <= interval.high
    assert held / 200 >= 0.9


def test_resampling_episodes_would_be_too_sure() -> None:
    won = np.repeat([[1.0], [0.0]], 20, axis=0).repeat(8, axis=1)  # (40, 8): tasks decide
    clustered, episodes = share_interval(won.mean(axis=1), 8), bootstrap(won.ravel())
    assert clustered.high - clustered.low > 2.5 * (episodes.high - episodes.low)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_pass_at_k_and_pass_all_k_are_shares_of_all_choices(n: int) -> None:
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        outcomes = [True] * c + [False] * (n - c)
        choices = list(itertools.combinations(outcomes, k))
        won = np.array([c])
        assert pass_at(won, n, k)[0] == pytest.approx(np.mean([any(x) for x in choices]))
        assert pass_all(won, n, k)[0] == pytest.approx(np.mean([all(x) for x in choices]))


def test_pass_at_k_is_unbiased() -> None:
    """Its mean over all outcomes of five coins is the chance that one of two coins wins."""
    chance = 0.3
    mean = sum(
        math.comb(5, c) * chance**c * (1 - chance) ** (5 - c) * pass_at(np.array([c]), 5, 2)[0]
        for c in range(6)
    )
    assert mean == pytest.approx(1 - (1 - chance) ** 2)


@pytest.mark.parametrize("k", [0, 4])
def test_pass_at_more_than_was_played_is_not_known(k: int) -> None:
    with pytest.raises(ValueError, match="from 1 to the 3"):
        pass_at(np.array([1, 2]), 3, k)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (0, 1), (3, 1), (5, 5), (2, 9), (10, 0)])
def test_the_sign_test_counts_all_tosses(better: int, worse: int) -> None:
    n = better + worse
    gap = abs(better - worse)
    tosses = itertools.product((0, 1), repeat=n)
    as_far = sum(abs(2 * sum(toss) - n) >= gap for toss in tosses)
    assert sign_test(better, worse) == pytest.approx(as_far / 2**n)


def test_many_tasks_are_no_trouble_for_the_sign_test() -> None:
    assert sign_test(2000, 2000) == 1.0
    assert 0 <= sign_test(3000, 1000) < 1e-200


def test_equal_differences_do_not_prove_that_tasks_never_differ() -> None:
    none, all_ = difference_interval(np.zeros(20)), difference_interval(np.ones(20))
    assert (none.low, none.mean, none.high) == pytest.approx((-0.161, 0.0, 0.161), abs=1e-3)
    assert (all_.mean, all_.high) == (1.0, 1.0)
    assert all_.low == pytest.approx(1 - 2 * 0.161, abs=1e-3)


def test_nothing_played_gives_no_figure() -> None:
    for interval in (bootstrap, share_interval, difference_interval, success_interval):
        assert math.isnan(interval(np.array([])).mean)  # type: ignore[operator]


def test_differences_carry_their_sign() -> None:
    assert Interval(0.021, -0.01, 0.05).signed() == "+2.1 [-1.0, 5.0]"
    assert Interval(-0.021, -0.05, 0.01).signed() == "-2.1 [-5.0, 1.0]"


def test_a_handful_of_trainings_is_given_students_interval() -> None:
    found = over_seeds([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.high - found.mean == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert np.isnan(over_seeds([0.5]).low)
