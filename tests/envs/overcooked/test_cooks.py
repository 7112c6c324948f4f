"""Cooks that need no training, and the pictures of what they do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anchorgym.envs.errors import LayoutError
from anchorgym.envs.overcooked import ACTIONS, CLASSIC, Kitchen, State, layout_names, load_layout
from anchorgym.envs.overcooked.cooks import GreedyCook, make_cook, play_out
from anchorgym.envs.overcooked.items import ALL_MIXES, DISH, NOTHING, ONION, SOUP, TOMATO, started
from anchorgym.envs.overcooked.jobs import Goal, Jobs
from anchorgym.envs.overcooked.layouts import CLASSIC as FIVE
from anchorgym.envs.overcooked.render import TILE, animate, film, picture
from anchorgym.envs.overcooked.seat import beside
from anchorgym.envs.overcooked.walking import Walks


def score(name: str, first: str, second: str, seed: int = 0, cooking: str = "auto") -> int:
    kitchen = Kitchen(load_layout(name).with_rules(cooking=cooking))
    cooks = make_cook(first, kitchen), make_cook(second, kitchen)
    return play_out(kitchen, cooks, seed=seed)[1][-1]


@pytest.mark.parametrize("cooking", ["auto", "manual"])
@pytest.mark.parametrize("name", FIVE)
def test_two_planners_score_at_least_160(name: str, cooking: str) -> None:
    assert score(name, "planner", "planner", cooking=cooking) >= 160


@pytest.mark.parametrize(("name", "bar"), [("cramped_room", 180), ("asymmetric_advantages", 240)])
def test_two_greedy_cooks_score_what_the_references_do(name: str, bar: int) -> None:
    assert np.mean([score(name, "greedy", "greedy", seed) for seed in range(5)]) >= bar


def test_a_planner_gets_on_with_others() -> None:
    assert score("cramped_room", "planner", "greedy") >= 100
    assert score("asymmetric_advantages", "random", "planner") >= 100
    assert score("cramped_room", "random", "random") < 100


def states_of(kitchen: Kitchen) -> Iterator[State]:
    """States of a kitchen with anything in the hands and pots, whatever the kitchen offers."""
    rng = np.random.default_rng(0)
    worth = kitchen.rules.wanted[0]
    contents = [0, *ALL_MIXES, started(worth), started(worth, kitchen.rules.cook_time(worth))]
    for held in product((NOTHING, ONION, TOMATO, DISH, SOUP + worth), repeat=2):
        pots = rng.choice(contents, len(kitchen.pots)).tolist() if rng.random() < 0.7 else None
        empty = (0,) * len(kitchen.pots)
        yield kitchen.start()._replace(held=held, pots=tuple(pots) if pots else empty)


@pytest.mark.parametrize("cooking", ["auto", "manual"])
@pytest.mark.parametrize("name", layout_names())
def test_cooks_know_what_to_do_whatever_is_held_and_cooks(name: str, cooking: str) -> None:
    try:
        kitchen = Kitchen(load_layout(name).with_rules(cooking=cooking))
    except LayoutError:  # a pot that starts by itself makes none of its soups
        assert cooking == "auto"
        return
    rng, greedy, walks = np.random.default_rng(1), GreedyCook(kitchen), Walks(kitchen)
    jobs = [Jobs(kitchen, walks, last=last) for last in (False, True)]
    for state in states_of(kitchen):
        for seat in (0, 1):
            assert 0 <= greedy(state, seat, rng) < len(ACTIONS)
        for decided in jobs:
            goals = decided.goals(state)
            assert all(goal is None or 0 <= goal.cell < len(kitchen.kinds) for goal in goals)


def test_a_cook_does_not_wait_at_a_pot_that_holds_nothing_while_another_cooks() -> None:
    kitchen = Kitchen(load_layout("soup_coordination"))
    tomatoes = kitchen.start()._replace(held=(TOMATO, NOTHING))
    soup = started(kitchen.rules.wanted[0])
    for place, cell in enumerate(kitchen.pots):
        pots = tuple(soup if i == place else 0 for i in range(len(kitchen.pots)))
        state = tomatoes._replace(pots=pots)
        goal = Jobs(kitchen, Walks(kitchen)).own_goal(state, 0)
        assert goal is None or goal.interact or goal.cell == cell


@pytest.mark.parametrize("place", [0, 1])
def test_a_cook_with_a_dish_goes_where_a_soup_is_ready_first(place: int) -> None:
    kitchen = Kitchen(load_layout("asymmetric_advantages"))
    worth = kitchen.rules.wanted[0]
    time, jobs = kitchen.rules.cook_time(worth), Jobs(kitchen, Walks(kitchen))

    def goal(here: int, there: int) -> Goal | None:
        pots = (here, there) if place == 0 else (there, here)
        return jobs.own_goal(kitchen.start()._replace(held=(DISH, NOTHING), pots=pots), 0)

    there = kitchen.pots[place]
    assert goal(started(worth, time), started(worth)) == Goal(there)
    assert goal(started(worth, time - 12), started(worth)) == Goal(there, interact=False)
    assert goal(started(worth), 0) == Goal(there, interact=False)
    down = goal(0, 0)
    assert down is not None
    assert down.cell in kitchen.counters


def test_a_dish_is_handed_over_to_the_cook_that_reaches_the_pot() -> None:
    kitchen = Kitchen(load_layout("forced_coordination"))
    walks = Walks(kitchen)
    state = kitchen.start()._replace(pots=(started(kitchen.rules.wanted[0]),) * len(kitchen.pots))
    (seat,) = (i for i in (0, 1) if walks.nearest(state.stances[i], kitchen.pots) is None)
    held = (DISH, NOTHING) if seat == 0 else (NOTHING, DISH)
    goal = Jobs(kitchen, walks).own_goal(state._replace(held=held), seat)
    assert goal is not None
    assert goal.interact
    assert goal.cell in kitchen.counters
    assert walks.nearest(state.stances[1 - seat], [goal.cell]) is not None


def test_the_same_seed_plays_the_same_game() -> None:
    kitchen = Kitchen(load_layout("coordination_ring"))
    cooks = make_cook("greedy", kitchen), make_cook("random", kitchen)
    assert play_out(kitchen, cooks, ticks=60, seed=5) == play_out(kitchen, cooks, ticks=60, seed=5)


@pytest.mark.parametrize("name", CLASSIC)
def test_pictures_show_the_whole_kitchen(name: str) -> None:
    kitchen = Kitchen(load_layout(name))
    image = picture(kitchen, kitchen.start(), 0, 400)
    assert image.width == kitchen.width * TILE
    assert image.height > kitchen.height * TILE


def test_pictures_differ_where_games_do() -> None:
    env = beside("planner", observation="lossless", render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    env.step(2)
    assert before.dtype == np.uint8
    assert (before != env.render()).any()


def test_a_game_becomes_an_animation(tmp_path: Path) -> None:
    kitchen = Kitchen(load_layout("cramped_room"))
    planner = make_cook("planner", kitchen)
    states, scores = play_out(kitchen, (planner, planner), ticks=12)
    animate(film(kitchen, states, scores, 400), tmp_path / "game.gif", fps=10)
    with Image.open(tmp_path / "game.gif") as gif:
        assert gif.n_frames == 13
        assert gif.info["duration"] == 100
