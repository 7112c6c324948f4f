"""Overcooked as a task to plan for: optimal lengths, problems, what is paid."""

from __future__ import annotations

import itertools
import random

import pytest

from anchorgym.envs import PlanningEnv, check_parallel_env
from anchorgym.envs.overcooked import ACTIONS, Kitchen, State, load_layout
from anchorgym.envs.overcooked.items import DISH, ONION, SOUP, is_soup, pot_mix
from anchorgym.envs.overcooked.planned import RULES, OvercookedPlanEnv

CAPS = {"cramped_room": 20, "forced_coordination": 25}
OPTIMAL = {"cramped_room": 14, "forced_coordination": 21}


def frugal(state: State) -> bool:
    """Whether no more was taken than a soup needs: what is never used can be left where it is."""
    things = [*state.held, *state.counters]
    onions = things.count(ONION) + sum(thing - SOUP for thing in things if is_soup(thing))
    dishes = things.count(DISH) + sum(map(is_soup, things))
    return onions + sum(map(pot_mix, state.pots)) <= 2 and dishes <= 1


@pytest.mark.slow
@pytest.mark.parametrize("layout", OPTIMAL)
def test_breadth_first_search_finds_the_fewest_ticks_to_a_delivery(layout: str) -> None:
    kitchen = Kitchen(load_layout(layout).with_rules(**RULES))
    pairs = list(itertools.product(range(len(ACTIONS)), repeat=2))
    layer = {kitchen.start()}
    seen = set(layer)
    for tick in itertools.count(1):
        following = set()
        for state, (first, second) in itertools.product(layer, pairs):
            after, *effects = kitchen.step(state, first, second)
            if any(effect.reward for effect in effects):
                assert tick == OPTIMAL[layout]
                return
            if after not in seen and frugal(after):
                following.add(after)
        seen |= following
        layer = following


@pytest.mark.parametrize("layout", OPTIMAL)
def test_suggestions_deliver_within_the_cap_and_are_paid_in_full(layout: str) -> None:
    env = OvercookedPlanEnv(layout, max_turns=CAPS[layout])
    assert isinstance(env, PlanningEnv)
    env.reset()
    paid, infos = 0.0, {}
    while env.agents:
        plan = tuple(env.suggest(cook) for cook in env.agents)
        assert not env.problem(plan)
        _, rewards, _, _, infos = env.step(dict(zip(env.agents, plan, strict=True)))
        paid += rewards["cook_0"]
        assert rewards["cook_0"] == rewards["cook_1"]
        assert paid == pytest.approx(infos["cook_0"]["progress"])
    assert infos["cook_1"]["won"]
    assert OPTIMAL[layout] <= env.turn <= CAPS[layout]
    assert paid == pytest.approx(1.0)


def test_a_plan_with_a_problem_passes_the_tick_and_says_whose_it_is() -> None:
    env = OvercookedPlanEnv()
    env.reset()
    before = env.game
    assert env.problem(("north", "interact")).startswith("cook_1: ")
    assert not env.problem(("north",))
    *_, infos = env.step({"cook_0": "north", "cook_1": "interact"})
    assert (env.game, env.turn) == (before, 1)
    assert infos["cook_0"]["action_valid"]
    assert not infos["cook_1"]["action_valid"]
    env.step({"cook_0": " North", "cook_1": "stay"})
    assert env.game != before


def test_by_default_it_is_one_delivery_in_twenty_ticks() -> None:
    env = OvercookedPlanEnv()
    env.reset()
    assert env.kitchen.layout.name == "cramped_room"
    for tick in range(1, 21):
        *_, truncated, _ = env.step(dict.fromkeys(env.agents, "stay"))
        assert set(truncated.values()) == {tick == 20}


def test_plans_are_read_as_they_were_written() -> None:
    env = OvercookedPlanEnv()
    env.reset()
    rng = random.Random(0)
    for _ in range(20):
        plan = tuple(env.slip(cook, rng) for cook in env.agents)
        assert env.read_plan(env.write_plan(plan), env.agents).plan == plan
        assert env.read_plan(env.write_plan(plan[:1], ["cook_0"]), ["cook_0"]).plan == plan[:1]
    assert "no option" in env.read_plan(env.write_plan(("jump", "stay")), env.agents).problem
    assert "cook_0" in env.manual("cook_0")
    assert env.situation().count("Orders:") == 2


def test_the_world_keeps_the_contract() -> None:
    report = check_parallel_env("anchorgym/OvercookedPlan-v0", episodes=2)
    assert report.ok, str(report)
