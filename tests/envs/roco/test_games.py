"""The games: optimal lengths by search, the order of checks, what is said of a plan."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorgym.envs import UnknownTaskError
from anchorgym.envs.roco.game import WAIT, Game
from anchorgym.envs.roco.sandwich import Sandwich
from anchorgym.envs.roco.search import shortest_plans
from anchorgym.envs.roco.sort import Sort
from anchorgym.envs.roco.sweep import Sweep

OPTIMAL = {
    (Sweep, "Y1_G1"): 5,
    (Sweep, "Y1_G2"): 7,
    (Sweep, "Y2_G2"): 9,
    (Sweep, "Y2_G3"): 11,
    (Sweep, "Y3_G3"): 13,
    (Sandwich, "recipe1"): 4,
    (Sandwich, "recipe2"): 6,
    (Sandwich, "recipe3"): 8,
    (Sandwich, "recipe4"): 10,
    (Sort, "sort1"): 1,
    (Sort, "sort2"): 2,
    (Sort, "sort3"): 3,
    (Sort, "sort4"): 4,
    (Sort, "sort5"): 4,
}
LARGE = {"Y2_G3", "Y3_G3"}
GAMES = [game_type(level) for game_type, level in OPTIMAL]


def suggested(game: Game[Any], state: Any) -> tuple[str, ...]:
    plan: tuple[str, ...] = ()
    for i in range(len(game.agents)):
        plan = (*plan, game.suggest(state, i, plan))
    return plan


def wander(game: Game[Any], seed: int, rounds: int) -> Any:
    rng, state = random.Random(seed), game.start()
    for _ in range(rounds):
        plan = tuple(rng.choice(game.options(state, i)) for i in range(len(game.agents)))
        state, _ = game.apply(state, plan)
    return state


def test_these_are_all_the_levels() -> None:
    assert [(type(game), game.level) for game in GAMES] == list(OPTIMAL)
    assert sum(len(game_type.levels) for game_type in (Sweep, Sandwich, Sort)) == 14


@pytest.mark.parametrize(
    "game",
    [
        pytest.param(game, id=game.level, marks=[pytest.mark.slow] if game.level in LARGE else [])
        for game in GAMES
    ],
)
def test_breadth_first_search_finds_the_published_lengths(game: Game[Any]) -> None:
    assert (
        len(shortest_plans(game, game.start(), informed=False)) == OPTIMAL[type(game), game.level]
    )


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.level)
def test_suggestions_are_a_shortest_way_from_the_start(game: Game[Any]) -> None:
    state, total, rounds = game.start(), 0.0, 0
    while not game.solved(state):
        plan = suggested(game, state)
        assert not game.problem(state, plan)
        state, reward = game.apply(state, plan)
        total, rounds = total + reward, rounds + 1
    assert rounds == OPTIMAL[type(game), game.level]
    assert total == pytest.approx(1.0 - game.progress(game.start()))


@settings(max_examples=25)
@given(game=st.sampled_from(GAMES), seed=st.integers(0, 999), rounds=st.integers(0, 12))
def test_a_shortest_way_leads_to_the_goal_from_anywhere(
    game: Game[Any], seed: int, rounds: int
) -> None:
    state = wander(game, seed, rounds)
    plans = shortest_plans(game, state)
    assert len(plans) >= game.at_least(state)
    for plan in plans:
        assert not game.problem(state, plan)
        state, _ = game.apply(state, plan)
    assert game.solved(state)


@settings(max_examples=12)
@given(
    game=st.sampled_from([g for g in GAMES if g.level in {"Y1_G1", "recipe1", "sort3"}]),
    seed=st.integers(0, 999),
)
def test_the_lower_bound_costs_no_optimality(game: Game[Any], seed: int) -> None:
    state = wander(game, seed, 5)
    blind = shortest_plans(game, state, informed=False)
    assert len(shortest_plans(game, state)) == len(blind)


@settings(max_examples=60)
@given(game=st.sampled_from(GAMES), seed=st.integers(0, 999), rounds=st.integers(0, 12))
def test_states_survive_json_and_a_plan_with_a_problem_changes_nothing(
    game: Game[Any], seed: int, rounds: int
) -> None:
    state = wander(game, seed, rounds)
    assert game.state_from_json(game.state_to_json(state)) == state
    rng = random.Random(seed)
    plan = tuple(game.slip(state, i, rng) for i in range(len(game.agents)))
    assert all(game.can_read(i, action) for i, action in enumerate(plan))
    after, reward = game.apply(state, plan)
    if game.problem(state, plan):
        assert (after, reward) == (state, 0.0)
    assert game.progress(after) - game.progress(state) == reward
    assert game.vector(state).shape == game.vector(after).shape


def test_an_unknown_level_is_named_with_the_closest() -> None:
    with pytest.raises(UnknownTaskError, match="Y2_G2"):
        Sweep("Y2G2")


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (("FLY", WAIT), "Parsing failed: Alice"),
        (("SWEEP yellow_cube_1", WAIT), "Parsing failed: Alice"),
        (("MOVE trash_bin", WAIT), "Task constraints failed: Alice MOVEs to cubes only"),
        (("DUMP", WAIT), "Task constraints failed: Alice cannot DUMP, the dustpan is empty"),
        (
            ("MOVE blue_cube_1", "SWEEP yellow_cube_1"),
            "Task constraints failed: Alice must WAIT while Bob SWEEPs",
        ),
        ((WAIT, "SWEEP yellow_cube_1"), "Reachability failed: Alice and Bob must both be in front"),
        (("MOVE yellow_cube_1", "MOVE yellow_cube_1"), ""),
        (("MOVE yellow_cube_1",), ""),
        (("DUMP",), "Task constraints failed: Alice cannot DUMP"),
    ],
)
def test_sweep_checks_reading_then_rules_then_reach(plan: tuple[str, ...], said: str) -> None:
    game = Sweep("Y1_G1")
    found = game.problem(game.start(), plan)
    assert found.startswith(said) if said else not found


def test_sweeping_needs_both_at_the_cube_and_dumping_a_loaded_dustpan() -> None:
    game = Sweep("Y1_G1")
    state, cube = game.start(), "yellow_cube_1"
    for plan, reward in (
        ((f"MOVE {cube}", f"MOVE {cube}"), 0.0),
        ((WAIT, f"SWEEP {cube}"), 0.25),
        (("DUMP", WAIT), 0.25),
    ):
        state, gained = game.apply(state, plan)
        assert gained == reward
    assert "yellow_cube_1 is in the trash bin." in game.situation(state, 0)
    assert game.problem(state, (WAIT, f"MOVE {cube}")).endswith("it is not on the table")
    assert game.problem(state, ("DUMP", WAIT)).endswith("the dustpan is empty")


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (("PUT tomato table", "PUT bread_slice1 cutting_board"), "only one robot can PUT"),
        (("PUT tomato bread_slice1", WAIT), "not holding it"),
        (("PICK bread_slice1", WAIT), "Reachability failed: bread_slice1 is out of reach of Chad"),
        (("PICK tomato", "PICK bread_slice1"), ""),
        (("PUT tomato tomato", WAIT), "Parsing failed"),
    ],
)
def test_sandwich_plans_at_the_start(plan: tuple[str, ...], said: str) -> None:
    game = Sandwich("recipe1")
    found = game.problem(game.start(), plan)
    assert said in found if said else not found


def test_sandwich_keeps_the_order_of_the_recipe_and_allows_the_table() -> None:
    game = Sandwich("recipe1")
    state, _ = game.apply(game.start(), ("PICK tomato", "PICK bread_slice1"))
    assert "already holding" in game.problem(state, ("PICK tomato2", WAIT))
    assert "must be put on bread_slice1" in game.problem(state, ("PUT tomato cutting_board", WAIT))
    early = game.problem(state, ("PUT tomato bread_slice1", WAIT))
    assert early.endswith("which is not on cutting_board")
    back, _ = game.apply(state, ("PUT tomato table", WAIT))
    assert "for Chad: tomato, tomato2." in game.situation(back, 0)
    state, _ = game.apply(state, (WAIT, "PUT bread_slice1 cutting_board"))
    state, gained = game.apply(state, ("PUT tomato bread_slice1", "PICK bread_slice2"))
    assert gained == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ((WAIT, WAIT, WAIT), "you can't all WAIT"),
        ((WAIT, WAIT), ""),
        (
            (WAIT, WAIT, "PICK blue_square PLACE panel6"),
            "panel2, panel3, panel5, but not on panel6",
        ),
        (("PICK blue_square PLACE panel2", WAIT, WAIT), "panel7 is out of reach of Alice"),
        (
            ("PICK yellow_trapezoid PLACE panel3", "PICK pink_polygon PLACE panel3", WAIT),
            "two robots cannot PLACE on the same panel",
        ),
        (
            (WAIT, "PICK blue_square PLACE panel3", "PICK blue_square PLACE panel5"),
            "two robots cannot PICK the same cube",
        ),
        (
            (
                "PICK yellow_trapezoid PLACE panel3",
                "PICK pink_polygon PLACE panel4",
                "PICK blue_square PLACE panel5",
            ),
            "",
        ),
    ],
)
def test_sort_plans_at_the_published_start(plan: tuple[str, ...], said: str) -> None:
    game = Sort("sort5")
    found = game.problem(game.start(), plan)
    assert said in found if said else not found


def test_sort_starts_where_it_is_published() -> None:
    assert {level: Sort(level).start().panels for level in Sort.levels} == {
        "sort1": (3, 5, 7),
        "sort2": (5, 4, 7),
        "sort3": (5, 1, 5),
        "sort4": (7, 4, 3),
        "sort5": (7, 3, 1),
    }


def test_one_robot_may_put_whether_or_not_the_other_has_said_what_it_does() -> None:
    game = Sandwich("recipe1")
    state, _ = game.apply(game.start(), ("PICK tomato", "PICK bread_slice1"))
    assert not game.problem(state, ("PUT tomato table",))
    assert not game.problem(state, ("PUT tomato table", WAIT))
    both = ("PUT tomato table", "PUT bread_slice1 cutting_board")
    assert "only one robot can PUT" in game.problem(state, both)


def test_the_numbers_of_a_sweep_say_where_each_cube_is_and_who_stands_at_it() -> None:
    game = Sweep("Y1_G1")
    cube = game.cubes[1]
    state, _ = game.apply(game.start(), (f"MOVE {cube}", f"MOVE {game.cubes[2]}"))
    flags = np.array(game.numbers(state)[:-2]).reshape(len(game.cubes), 7)
    # on the table, in the dustpan, in the bin; target; in front of Alice, of Bob, of both
    assert flags[:3].tolist() == [
        [1, 0, 0, 1, 0, 0, 0],
        [1, 0, 0, 1, 1, 0, 0],
        [1, 0, 0, 0, 0, 1, 0],
    ]
    state, _ = game.apply(state, (WAIT, f"MOVE {cube}"))
    flags = np.array(game.numbers(state)[:-2]).reshape(len(game.cubes), 7)
    assert flags[:3, 4:].tolist() == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]
    state, _ = game.apply(state, (WAIT, f"SWEEP {cube}"))
    assert np.array(game.numbers(state)[:-2]).reshape(-1, 7)[1, :3].tolist() == [0, 1, 0]
    assert game.numbers(state)[-2:] == [1 / 6, 1 / 6]


@pytest.mark.parametrize(
    ("game", "expected"),
    [
        # Shares of the docstrings of `slip`; what is drawn of everything adds little to each.
        (Sweep("Y1_G1"), {"MOVE": 0.45, "WAIT": 0.20, "DUMP": 0.15, "MOVE trash_bin": 0.10}),
        (Sandwich("recipe1"), {"PICK": 0.40, "WAIT": 0.30, "PUT": 0.30}),
    ],
)
def test_mistakes_are_as_frequent_as_they_are_said_to_be(
    game: Game[Any], expected: dict[str, float]
) -> None:
    rng, state, n = random.Random(0), game.start(), 4000
    slips = [game.slip(state, 0, rng) for _ in range(n)]
    kinds = [slip if slip in expected else slip.split()[0] for slip in slips]
    for kind, share in expected.items():
        assert share - 0.03 < kinds.count(kind) / n < share + 0.11, kind


def test_a_robot_that_holds_a_food_may_put_it_down_by_mistake() -> None:
    game, rng = Sandwich("recipe1"), random.Random(0)
    state, _ = game.apply(game.start(), ("PICK tomato", "PICK bread_slice1"))
    slips = [game.slip(state, 0, rng) for _ in range(4000)]
    assert 0.12 < slips.count("PUT tomato table") / 4000 < 0.18
    assert {slip.split()[1] for slip in slips if slip.startswith("PICK")} == {
        food for food, lies in zip(game.foods, state.table, strict=True) if lies
    }


def test_a_sweep_has_as_many_cubes_as_its_level_says() -> None:
    found = {level: len(Sweep(level).cubes) for level in Sweep.levels}
    assert found == {"Y1_G1": 7, "Y1_G2": 7, "Y2_G2": 7, "Y2_G3": 9, "Y3_G3": 9}
    assert all(len(set(Sweep(level).cubes)) == count for level, count in found.items())
