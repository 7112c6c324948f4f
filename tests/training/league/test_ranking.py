"""Rankings of a population, against another implementation and against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorgym.training.league import LeagueError
from anchorgym.training.league.ranking import alpha_rank, elo, elo_intervals

CYCLE = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


@pytest.mark.parametrize("alpha", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_alpha_rank_is_open_spiel_s(alpha: float, seed: int, tied: bool) -> None:
    theirs = pytest.importorskip("open_spiel.python.egt.alpharank", reason="no open_spiel")
    rng = np.random.default_rng(seed)
    half = rng.integers(-1, 2, (5, 5)) / 2 if tied else rng.uniform(-1, 1, (5, 5))
    payoffs = half - half.T
    _, _, expected, *_ = theirs.compute([payoffs], m=20, alpha=alpha)
    assert alpha_rank(payoffs, alpha=alpha, population=20) == pytest.approx(expected, abs=1e-8)


def test_alpha_rank_sees_cycles_and_dominance() -> None:
    assert alpha_rank(CYCLE) == pytest.approx(np.full(3, 1 / 3))
    beaten = np.pad(CYCLE, (0, 1), constant_values=0.0)
    beaten[:3, 3], beaten[3, :3] = 0.2, -0.2
    assert alpha_rank(beaten) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert alpha_rank(np.zeros((1, 1))) == pytest.approx([1])


def test_alpha_rank_of_two_is_the_closed_form_of_fifty_who_select_strongly() -> None:
    """A mutant that is u ahead of fifty residents lasts exp(49 u) times as often as one behind."""
    ahead = 1e-4
    found = alpha_rank(np.array([[0.0, ahead], [-ahead, 0.0]]))
    assert found[0] / found[1] == pytest.approx(np.exp((50 - 1) * 100.0 * 2 * ahead))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-300, 300), min_size=2, max_size=6))
def test_elo_recovers_ratings(ratings: list[float]) -> None:
    true = np.array(ratings) - np.mean(ratings)
    shares = 1 / (1 + 10 ** ((true[None] - true[:, None]) / 400))
    assert elo(1e7 * shares) == pytest.approx(true, abs=0.5)


def test_elo_is_finite_for_who_never_loses() -> None:
    ratings = elo(np.array([[0.0, 16.0], [0.0, 0.0]]))
    assert np.isfinite(ratings).all()
    assert ratings[0] > 200


def test_matrices_that_are_none_are_refused() -> None:
    with pytest.raises(LeagueError, match="square"):
        alpha_rank(np.zeros((2, 3)))
    with pytest.raises(LeagueError, match="without games"):
        elo(np.array([[0.0, np.nan], [1.0, 0.0]]))


def test_a_perfect_record_bounds_a_rating_from_below_alone() -> None:
    """48 of 48 games say that at least 93 % are won, and next to nothing of how many more."""
    strong, weak = elo_intervals(np.array([[0.0, 48.0], [0.0, 0.0]]))
    least = 200 * np.log10(0.93 / 0.07)  # half of the distance, as the mean is 0
    assert least < strong.low < strong.mean
    assert strong.high > strong.mean + 200
    assert (weak.low, weak.high) == pytest.approx((-strong.high, -strong.low))


@pytest.mark.parametrize("gap", [0.0, 300.0, 700.0])
def test_intervals_of_ratings_hold(gap: float) -> None:
    """They cover the truth in about 95 % of repetitions, perfect records included."""
    rng, true = np.random.default_rng(0), np.array([gap, 0.0, -gap])
    chances = 1 / (1 + 10 ** ((true[None] - true[:, None]) / 400))
    covered = []
    for seed in range(80):
        upper = np.triu(rng.binomial(24, chances), 1)
        wins = upper + np.tril(24 - upper.T, -1)
        found = elo_intervals(wins.astype(float), draws=200, seed=seed)
        covered += [one.low <= r <= one.high for one, r in zip(found, true, strict=True)]
    assert np.mean(covered) >= 0.88


@pytest.mark.parametrize("prior", [1.0, 4.0])
def test_elo_of_two_is_that_of_their_games_and_the_draws_of_the_prior(prior: float) -> None:
    """A rating that is d above another's wins 1 / (1 + 10^(-d / 400)) of the games."""
    ratings = elo(np.array([[0.0, 16.0], [2.0, 0.0]]), prior=prior)
    ahead = 400 * np.log10((16 + prior / 2) / (2 + prior / 2))
    assert ratings == pytest.approx([ahead / 2, -ahead / 2], abs=1e-6)
    assert elo(np.array([[0.0, 16.0], [2.0, 0.0]])) == pytest.approx(
        elo(np.array([[0.0, 16.0], [2.0, 0.0]]), prior=1.0)
    )
