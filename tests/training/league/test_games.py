"""Leagues on games with known answers: the average or the population, never the last iterate."""

from __future__ import annotations

from collections.abc import Callable

import kuhn
import numpy as np
import pytest
from matrix_games import PENNIES, RPS, FloatArray, Strategies, self_play

from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.league import (
    FICTITIOUS,
    Exploitation,
    League,
    Mixture,
    Rules,
    Sampling,
    average,
    expand,
    exploit,
    nash_conv,
)

SIDES = ("even", "odd")


def conv(payoffs: FloatArray, row: FloatArray, column: FloatArray) -> float:
    return nash_conv(payoffs, -payoffs, row, column)


def test_double_oracle_solves_matching_pennies_and_stops() -> None:
    game = Strategies(PENNIES)
    league = League(game.exact(), Rules(sides=SIDES, block=1))
    league.add(game.pure(0, 0), side="even")
    league.add(game.pure(1, 0), side="odd")
    expand(league, game.best_response(SIDES), rounds=20, games=1)
    meta = league.meta()
    assert np.allclose(game.mean(meta["even"]), 0.5)
    assert np.allclose(game.mean(meta["odd"]), 0.5)
    assert len(league.history) < 6
    assert league.history[-1]["nash_conv"]["mean"] == pytest.approx(0, abs=1e-9)


def test_double_oracle_finds_all_of_rock_paper_scissors_from_sampled_games() -> None:
    game = Strategies(RPS)
    league = League(game.sampled(), Rules(block=50))
    league.add(game.pure(0, 0))
    expand(league, game.best_response(("player",)), rounds=10, games=50)
    assert set(league.players()) == {"r0", "r1", "r2"}
    mean = game.mean(league.meta()["player"])
    assert conv(RPS, mean, mean) < 0.05


@pytest.mark.parametrize(("payoffs", "sides"), [(PENNIES, SIDES), (RPS, ("player",))])
def test_the_average_of_fictitious_play_converges_and_its_last_response_does_not(
    payoffs: FloatArray, sides: tuple[str, ...]
) -> None:
    game = Strategies(payoffs)
    league = League(game.exact(), Rules(sides=sides, block=1))
    for i, side in enumerate(sides):
        league.add(game.pure(i, 0), side=side)
    respond = game.best_response(sides)
    expand(league, respond, rounds=150, games=1, solver="uniform")
    mixtures = average(league)
    row, column = (game.mean(mixtures[side]) for side in (sides[0], sides[-1]))
    assert conv(payoffs, row, column) < 0.25
    newest = [np.asarray(game.known[league.players(side)[-1]]) for side in (sides[0], sides[-1])]
    assert conv(payoffs, *newest) >= 2
    found = exploit(league, mixtures, respond, games=1)
    assert found.nash_conv.mean == pytest.approx(conv(payoffs, row, column), abs=1e-9)


def trained(sampling: Sampling) -> list[FloatArray]:
    """Train a policy gradient on rock, paper, scissors against its own past."""

    def against(past: list[FloatArray]) -> FloatArray:
        wins = np.array([(past[-1] @ RPS @ other + 1) / 2 for other in past])
        return np.asarray(sampling.chances(wins) @ np.array(past))

    return self_play(RPS, 200, against, updates=5, rate=1.0)


def test_prioritised_self_play_converges_on_average_where_self_play_cycles() -> None:
    prioritised, alone, uniform = map(
        trained, (Sampling("hard", latest=0.35), Sampling(latest=1.0), FICTITIOUS)
    )
    averages = [np.mean(past, axis=0) for past in (prioritised, uniform)]
    assert conv(RPS, averages[0], averages[0]) < 0.15
    assert conv(RPS, averages[1], averages[1]) > 0.5, "a learner that lags behind its past's mean"
    assert conv(RPS, alone[-1], alone[-1]) > 1


def test_the_population_of_self_play_solves_what_its_newest_member_does_not() -> None:
    game = Strategies(RPS)
    past = trained(Sampling(latest=1.0))[::20]
    league = League(game.exact(), Rules(block=1))
    league.add(*(game.add(f"generation {i:02}", x) for i, x in enumerate(past)))
    league.ensure(1)
    mean = game.mean(league.meta()["player"])
    assert conv(RPS, mean, mean) < 0.1
    assert conv(RPS, past[-1], past[-1]) > 1


# Kuhn poker -------------------------------------------------------------------------------------

KNOWN = kuhn.pure_strategies(0) | kuhn.pure_strategies(1)
SEATS = ("first", "second")


def play_kuhn(first: str, second: str, n: int, seed: int) -> FloatArray:
    return np.full(n, kuhn.payoffs()[first, second])


def respond_kuhn(mixture: Mixture, seed: int) -> str:
    return kuhn.best_response(1 - SEATS.index(mixture.side), mixture.weights)


def kuhn_league(solver: str, rounds: int) -> League:
    league = League(play_kuhn, Rules(sides=SEATS, bounds=(-2, 2), block=1))
    league.add("f000000", side="first")
    league.add("s000000", side="second")
    expand(league, respond_kuhn, rounds=rounds, games=1, solver=solver)
    return league


def test_our_kuhn_poker_has_the_known_values() -> None:
    uniform = [dict.fromkeys(kuhn.SETS[seat], 0.5) for seat in (0, 1)]
    assert kuhn.nash_conv(*uniform) == pytest.approx(0.9166667)
    for alpha in (0.0, 1 / 3):
        first = {"0": alpha, "1": 0.0, "2": 3 * alpha, "0pb": 0.0, "1pb": alpha + 1 / 3, "2pb": 1.0}
        second = {"0p": 1 / 3, "1p": 0.0, "2p": 1.0, "0b": 0.0, "1b": 1 / 3, "2b": 1.0}
        assert kuhn.value(first, second) == pytest.approx(-1 / 18)
        assert kuhn.nash_conv(first, second) == pytest.approx(0, abs=1e-12)


def open_spiels_nash_conv(strategies: list[kuhn.Strategy]) -> float:
    pyspiel = pytest.importorskip("pyspiel", reason="open_spiel is not installed")
    from open_spiel.python import policy
    from open_spiel.python.algorithms import exploitability

    game = pyspiel.load_game("kuhn_poker")
    table = policy.TabularPolicy(game)
    for key, index in table.state_lookup.items():
        seat = (len(key) - 1) % 2
        bet = strategies[seat][key]
        table.action_probability_array[index] = [1 - bet, bet]
    return float(exploitability.nash_conv(game, table))


def test_the_population_of_a_double_oracle_solves_kuhn_poker() -> None:
    league = kuhn_league("equilibrium", 40)
    meta = league.meta()
    assert league.value(meta["first"], meta["second"], "first").mean == pytest.approx(-1 / 18)
    both = [kuhn.behaviour(seat, meta[SEATS[seat]], KNOWN) for seat in (0, 1)]
    assert kuhn.nash_conv(*both) < 1e-6
    assert open_spiels_nash_conv(both) < 1e-6
    assert league.history[-1]["nash_conv"]["mean"] == pytest.approx(0, abs=1e-7)
    assert len(set(league.players("first"))) < 30


def test_the_average_of_fictitious_play_approaches_kuhn_pokers_equilibrium() -> None:
    league = kuhn_league("uniform", 150)
    mixtures = average(league)
    both = [kuhn.behaviour(seat, mixtures[SEATS[seat]], KNOWN) for seat in (0, 1)]
    ours = kuhn.nash_conv(*both)
    assert ours < 0.15
    assert open_spiels_nash_conv(both) == pytest.approx(ours, abs=1e-9)
    newest = [KNOWN[league.players(side)[-1]] for side in SEATS]
    assert kuhn.nash_conv(*newest) > 2 * ours


def test_uniform_play_is_as_exploitable_as_open_spiel_says() -> None:
    uniform: list[kuhn.Strategy] = [dict.fromkeys(kuhn.SETS[seat], 0.5) for seat in (0, 1)]
    assert open_spiels_nash_conv(uniform) == pytest.approx(0.9166667)


# General-sum games ------------------------------------------------------------------------------


def test_each_side_of_a_general_sum_game_has_payoffs_of_its_own() -> None:
    attack = np.array([[0.0, 0.0], [1.0, -0.5]])  # abstain, attack
    defence = np.array([[0.6, 0.4], [-1.0, 0.3]])  # trust, verify
    game = Strategies(attack, defence)
    sides = ("attacker", "defender")
    league = League(game.exact(), Rules(sides=sides, zero_sum=False, block=1))
    league.add(game.pure(0, 0), side="attacker")
    league.add(game.pure(1, 0), side="defender")
    respond: Callable[[Mixture, int], str] = game.best_response(sides)
    expand(league, respond, rounds=10, games=1)
    assert league.matrices()[0].shape == (2, 2)
    assert league.payoff("r1", "c0", "attacker").mean == 1
    assert league.payoff("c0", "r1", "defender").mean == -1
    meta = league.meta()
    # Attacked half of the time, verifying pays; verified that often, attacking does not.
    assert 0 < meta["defender"].weights["c1"] < 1
    assert 0 < meta["attacker"].weights["r1"] < 1


def test_the_gain_of_a_response_is_as_uncertain_below_as_above_only_where_its_games_are() -> None:
    """Who has won all games can only be worse than that, and who has lost all only better."""

    def play(row: str, column: str, n: int, seed: int) -> FloatArray:
        return np.full(n, 1.0 if row == "answer" else -1.0)

    league = League(play, Rules(sides=SIDES, block=10))
    league.add("old", side="even")
    league.add("other", side="odd")
    league.ensure(10)
    mixtures = average(league)
    found = exploit(league, mixtures, lambda mixture, seed: "answer", games=10)
    answer, old = (league.payoff(name, "other", "even") for name in ("answer", "old"))
    assert (answer.high, old.low) == (1.0, -1.0)
    below = np.hypot(answer.mean - answer.low, old.high - old.mean)
    gain = found.gains["even"]
    assert (gain.mean, gain.high) == (2.0, 2.0)
    assert gain.mean - gain.low == pytest.approx(below)
    assert below > 0.1


def test_intervals_of_both_sides_are_added_each_on_its_own_side() -> None:
    gains = {"even": Interval(1.0, 0.7, 3.0), "odd": Interval(2.0, 1.6, 3.5)}
    both = Exploitation({}, {}, gains).nash_conv
    assert (both.mean, both.low, both.high) == pytest.approx((3.0, 3.0 - 0.5, 3.0 + 2.5))
    alone = Exploitation({}, {}, {"player": Interval(1.0, 0.7, 3.0)}).nash_conv
    assert (alone.mean, alone.low, alone.high) == pytest.approx((2.0, 1.4, 6.0))
