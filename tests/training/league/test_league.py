"""Leagues as they are kept: tables that grow, sampling, allotting games, and going on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_games import RPS, FloatArray, Strategies

from anchorgym.training.league import (
    FICTITIOUS,
    OPENAI_FIVE,
    Block,
    League,
    LeagueError,
    Mixture,
    PayoffTable,
    Rules,
    Sampling,
    describe,
    expand,
    payoff_table,
    prioritised,
)

MIXED = {"rocky": [0.8, 0.1, 0.1], "paper": [0, 1.0, 0], "even": [1 / 3, 1 / 3, 1 / 3]}


def strategies() -> Strategies:
    game = Strategies(RPS)
    for name, strategy in MIXED.items():
        game.add(name, strategy)
    return game


# The table --------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(order=st.permutations(sorted(MIXED)), games=st.integers(1, 30))
def test_payoffs_are_antisymmetric_and_do_not_depend_on_who_joined_first(
    order: list[str], games: int
) -> None:
    league, other = (League(strategies().sampled(), Rules(block=8)) for _ in range(2))
    league.add(*sorted(MIXED))
    other.add(*order)
    for one in (league, other):
        one.ensure(games)
    rows, columns = other.matrices()
    assert np.array_equal(rows, -rows.T)
    assert np.array_equal(columns, -rows)
    for a in MIXED:
        for b in MIXED:
            assert league.payoff(a, b) == other.payoff(a, b)
            assert league.payoff(a, b).mean == -league.payoff(b, a).mean
    metas = [one.meta()["player"].weights for one in (league, other)]
    for name in MIXED:
        assert metas[0].get(name, 0) == pytest.approx(metas[1].get(name, 0), abs=1e-6)


def test_blocks_are_played_once_and_more_games_are_further_blocks() -> None:
    calls: list[tuple[Any, ...]] = []

    def play(*call: Any) -> FloatArray:
        calls.append(call)
        return strategies().sampled()(*call)

    league = League(play, Rules(block=10))
    league.add("even", "rocky")
    league.ensure(25)
    before = league.table.games("even", "rocky")
    assert [call[:3] for call in calls] == [("even", "rocky", 10)] * 3
    assert len({call[3] for call in calls}) == 3
    league.ensure(25)
    assert len(calls) == 3
    league.ensure(31)
    assert np.array_equal(league.table.games("even", "rocky")[:30], before)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(200):
        game = strategies()
        league = League(game.sampled(), Rules(block=60, seed=seed))
        league.add("rocky", "even")
        game.add("even", [0.2, 0.5, 0.3])
        league.ensure(60)
        found = league.payoff("rocky", "even")
        truth = np.array(MIXED["rocky"]) @ RPS @ game.known["even"]
        held += found.low <= truth <= found.high
    assert held >= 180


def test_games_that_all_ended_alike_are_not_taken_for_certain() -> None:
    table = PayoffTable(Rules(block=4))
    assert (table.interval("a", "b").low, table.interval("a", "b").high) == (-1, 1)
    widths = []
    for number in range(3):
        table.add(Block("a", "b", number, np.tile([1.0, -1.0], (4, 1))))
        found = table.interval("a", "b")
        assert (found.mean, found.high) == (1, 1)
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] > 0.2
    assert table.interval("b", "a").high == -table.interval("a", "b").low


def test_one_population_whose_players_cooperate_meets_itself_too() -> None:
    def play(a: str, b: str, n: int, seed: int) -> FloatArray:
        return np.tile([2.0, 4.0] if a == b else [1.0, 0.0], (n, 1))

    league = League(play, Rules(zero_sum=False, bounds=(0, 4), block=2))
    league.add("b", "a")
    league.ensure(2)
    rows, columns = league.matrices()
    assert rows.tolist() == [[3, 0], [1, 3]]
    assert np.array_equal(columns, rows.T)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (np.zeros(3), "shape"),
        (np.zeros((4, 3)), "shape"),
        (np.full(4, 2.0), "bounds"),
        (np.full(4, np.nan), "bounds"),
        (np.ones((4, 2)), "zero-sum"),
        (["won", "lost", "won", "won"], "no numbers"),
        (None, "shape|no numbers|bounds"),
    ],
)
def test_results_that_are_none_are_refused(result: Any, said: str) -> None:
    league = League(lambda *_: result, Rules(block=4))
    league.add("a", "b")
    with pytest.raises(LeagueError, match=said):
        league.ensure(1)
    assert league.games_played() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"sides": ()},
        {"sides": ("a", "a")},
        {"sides": ("a", "b", "c")},
        {"bounds": (1, -1)},
        {"bounds": (0, 1)},
        {"bounds": (float("-inf"), float("inf"))},
        {"block": 0},
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: Any) -> None:
    with pytest.raises(LeagueError):
        Rules(**wrong)


# Whom to train against --------------------------------------------------------------------------

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
SAMPLINGS = st.builds(
    Sampling, st.sampled_from(["uniform", "hard", "even"]), st.none() | st.floats(0, 1)
)


@settings(max_examples=200)
@given(wins=SHARES, sampling=SAMPLINGS)
def test_chances_are_a_distribution_whatever_the_shares(
    wins: list[float], sampling: Sampling
) -> None:
    chances = sampling.chances(wins)
    assert np.isfinite(chances).all()
    assert (chances >= 0).all()
    assert chances.sum() == pytest.approx(1)


@pytest.mark.parametrize("wins", [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
def test_even_opponents_are_alike_where_there_are_none(wins: list[float]) -> None:
    assert np.allclose(prioritised(wins, "even"), 1 / 3)


def test_weightings_are_the_published_ones() -> None:
    wins = np.array([0.9, 0.5, 0.2])
    assert np.allclose(prioritised(wins, "hard"), [0.01 / 0.9, 0.25 / 0.9, 0.64 / 0.9])
    assert np.allclose(prioritised(wins, "even"), [0.09 / 0.5, 0.25 / 0.5, 0.16 / 0.5])
    assert np.allclose(prioritised([1.0, 1.0], "hard"), 0.5)
    assert np.allclose(OPENAI_FIVE.chances(wins), [0.1, 0.1, 0.8])
    assert np.allclose(FICTITIOUS.chances(wins), 1 / 3)
    assert OPENAI_FIVE.chances([0.3]).tolist() == [1.0]
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(LeagueError):
            prioritised([share])


def test_opponents_follow_the_newest_players_results() -> None:
    league = League(strategies().exact(), Rules(block=1))
    league.add("paper", "rocky", "even")
    league.ensure(1)
    league.add("unplayed")
    mixture = league.opponents(Sampling("hard", latest=None), player="rocky")
    beaten_by = {name: (1 - league.wins("rocky", name)) ** 2 for name in league.players()}
    total = sum(beaten_by.values())
    assert mixture.weights == pytest.approx({k: v / total for k, v in beaten_by.items()})
    assert mixture.weights["paper"] > mixture.weights["even"]
    assert league.wins("rocky", "unplayed") == 0.5
    newest = league.opponents(OPENAI_FIVE)
    assert newest.weights["unplayed"] == pytest.approx(0.8)


def test_a_mixture_is_drawn_from_as_it_says() -> None:
    mixture = Mixture("player", {"a": 0.25, "b": 0.75})
    drawn = mixture.sample(4000, seed=1)
    assert drawn == mixture.sample(4000, seed=1)
    assert drawn.count("a") / 4000 == pytest.approx(0.25, abs=0.03)
    for weights in ({}, {"a": 0.5}, {"a": -1.0, "b": 2.0}, {"a": float("nan")}):
        with pytest.raises(LeagueError):
            Mixture("player", weights)


# Where to play further games --------------------------------------------------------------------


def test_further_games_go_to_pairs_that_matter_and_are_uncertain() -> None:
    game = Strategies(RPS)
    pure = [game.pure(0, i) for i in range(3)]
    game.add("weak", [0.8, 0.1, 0.1])
    game.add("lost", [0.8, 0.1, 0.1])

    def play(a: str, b: str, n: int, seed: int) -> FloatArray:
        ranks = {"lost": -0.9, "weak": -0.8}
        if a in ranks or b in ranks:
            noise = np.random.default_rng(seed).choice([-0.1, 0.1], n)
            return np.full(n, ranks.get(a, 0.0) - ranks.get(b, 0.0)) + noise
        return game.sampled()(a, b, n, seed) * np.random.default_rng(seed).choice([0, 1], n)

    league = League(play, Rules(block=10))
    league.add(*pure, "weak", "lost")
    league.refine(600)
    assert league.games_played() == 600
    games = {pair: len(league.table.games(*pair)) for pair in league.pairs()}
    assert games["lost", "weak"] == 10
    assert min(games["r0", "r1"], games["r0", "r2"], games["r1", "r2"]) > 50
    league.refine(600)
    assert league.games_played() == 600


def test_a_pair_matters_as_often_as_one_of_its_players_is_drawn() -> None:
    """Of equally uncertain pairs, those with a player of the support come first."""

    def play(a: str, b: str, n: int, seed: int) -> FloatArray:
        return np.random.default_rng(seed).choice([-1.0, 1.0], n)

    def first(rows: FloatArray, _: FloatArray) -> tuple[FloatArray, FloatArray]:
        chosen = np.eye(len(rows))[0]
        return chosen, chosen

    league = League(play, Rules(block=10))
    league.add("drawn", "b", "c")
    league.refine(300, solver=first)
    games = {pair: len(league.table.games(*pair)) for pair in league.pairs()}
    assert games["b", "c"] == 10
    assert min(games["b", "drawn"], games["c", "drawn"]) >= 130


def test_where_nothing_is_known_of_the_strategies_the_widest_interval_goes_first() -> None:
    def play(a: str, b: str, n: int, seed: int) -> FloatArray:
        spread = 1.0 if "c" in (a, b) else 0.1
        return np.random.default_rng(seed).choice([-spread, spread], n)

    league = League(play, Rules(block=10))
    league.add("a", "b", "c")
    league.refine(300, solver="uniform")
    games = {pair: len(league.table.games(*pair)) for pair in league.pairs()}
    assert games["a", "b"] < 40
    assert min(games["a", "c"], games["b", "c"]) > 100


# At rest ----------------------------------------------------------------------------------------


class KilledError(Exception):
    pass


def run(folder: Path, survive: int = 1000) -> tuple[League, int]:
    """Run a league, and count the blocks it plays and the players it trains.

    Args:
        folder: of the league.
        survive: it dies after so many of them.
    """
    game = strategies()
    done = 0

    def counted() -> None:
        nonlocal done
        if done == survive:
            raise KilledError
        done += 1

    def play(a: str, b: str, n: int, seed: int) -> FloatArray:
        counted()
        return game.sampled()(a, b, n, seed)

    def respond(mixture: Mixture, seed: int) -> str:
        counted()
        rng = np.random.default_rng(seed)
        answer = RPS @ game.mean(mixture) + rng.normal(size=3) * 0.3
        name = f"{seed:x}"
        game.add(name, np.exp(3 * answer) / np.exp(3 * answer).sum())
        return name

    for name in League(play, folder=folder).players():  # as a user loads saved players
        if name not in game.known:
            kept = json.loads((folder.parent / "weights" / name).read_text())
            game.add(name, kept)

    def kept(mixture: Mixture, seed: int) -> str:
        name = respond(mixture, seed)
        (folder.parent / "weights").mkdir(exist_ok=True)
        (folder.parent / "weights" / name).write_text(json.dumps(game.known[name].tolist()))
        return name

    league = League(play, Rules(block=5, seed=3), folder=folder)
    league.add("rocky", "even")
    expand(league, kept, rounds=4, games=10, tolerance=-10)
    league.refine(200)
    return league, done


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_league_that_was_killed_anywhere_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, steps = run(tmp_path / "whole" / "league")
    expected = contents(tmp_path / "whole" / "league")
    assert set(expected) == {"league.json", "games.jsonl"}
    for survive in range(1, steps, steps // 6):
        folder = tmp_path / str(survive) / "league"
        with pytest.raises(KilledError):
            run(folder, survive)
        again, _ = run(folder)
        assert contents(folder) == expected
        assert np.array_equal(again.matrices(), whole.matrices())
        assert again.meta() == whole.meta()


def test_a_half_written_line_is_played_again_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    def opened() -> League:
        return League(strategies().sampled(), Rules(block=4), folder=tmp_path)

    league = opened()
    league.add(*MIXED)
    league.ensure(8)
    games = tmp_path / "games.jsonl"
    expected = games.read_bytes()
    for cut in range(1, len(expected.splitlines()[-1]) + 1, 7):
        games.write_bytes(expected[:-cut])
        again = opened()
        again.ensure(8)
        assert games.read_bytes() == expected
    games.write_bytes(expected.replace(b"1.0", b"0.0", 1))
    with pytest.raises(LeagueError, match=r"line 1 of .* is damaged"):
        opened()


def test_a_folder_with_another_league_is_not_written_into(tmp_path: Path) -> None:
    League(strategies().exact(), Rules(seed=1), folder=tmp_path).add("rocky")
    assert League(strategies().exact(), folder=tmp_path).rules.seed == 1
    with pytest.raises(LeagueError, match="other rules"):
        League(strategies().exact(), Rules(seed=2), folder=tmp_path)
    (tmp_path / "league.json").write_text("{}")
    with pytest.raises(LeagueError, match="cannot be read"):
        League(strategies().exact(), folder=tmp_path)


def test_a_league_can_be_looked_at() -> None:
    sides = ("attacker", "defender")
    game = Strategies(RPS, RPS.T)
    league = League(game.exact(), Rules(sides=sides, zero_sum=False, block=3))
    with pytest.raises(LeagueError, match="no players"):
        league.meta()
    league.add(game.pure(0, 0), game.pure(0, 1), side="attacker")
    league.add(game.pure(1, 2), side="defender")
    with pytest.raises(LeagueError, match="ensure"):
        league.meta()
    league.ensure(3)
    told = json.loads(json.dumps(describe(league)))
    assert told["players"] == {"attacker": ["r0", "r1"], "defender": ["c2"]}
    assert [cell["games"] for cell in told["payoffs"]] == [3, 3]
    assert told["payoffs"][0]["of_row"]["mean"] == 1
    table = payoff_table(league, "defender")
    assert table.splitlines()[0].split() == ["defender", "meta", "r0", "r1"]
    assert "+1.00 [" in payoff_table(league, "attacker")
    for call in (league.players, lambda: payoff_table(league)):
        with pytest.raises(LeagueError, match=r"attacker or defender|no side"):
            call()
    with pytest.raises(LeagueError, match="no side 'judge'"):
        league.add("x", side="judge")
    with pytest.raises(LeagueError, match="Did you mean 'equilibrium'"):
        league.meta("equilibrum")
