"""The solver: every walkthrough wins on its last step, and none is shorter."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_households import small_game, wander

from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.alfworld.game import TASK_TYPES, Fact, Game, Goal, GoalKind
from anchorgym.envs.alfworld.generator import generated_game, panel
from anchorgym.envs.alfworld.solver import UnsolvableError, full_action, solve

KINDS: list[GoalKind] = list(TASK_TYPES)


def play(world: World, commands: list[str]) -> None:
    """Check that commands are possible one after the other, and that the last one wins."""
    for command in commands:
        assert not world.won
        world.step(command)
        assert world.valid, (world.game.name, command)
    assert world.won, world.game.name


def shortest(world: World, most: int) -> int | None:
    """Return by blind search how few commands win; None if more than `most` are needed."""
    ring, known = [world], {world.anchor()}
    for length in range(1, most + 1):
        following = []
        for state in ring:
            for command in state.admissible():
                if command.startswith(("help", "inventory", "look", "examine")):
                    continue
                after = state.copy()
                after.step(command)
                if after.won:
                    return length
                if after.anchor() not in known:
                    known.add(after.anchor())
                    following.append(after)
        ring = following
    return None


@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.integers(0, 12))
def test_no_way_to_win_is_shorter(kind: GoalKind, seed: int, noise: int) -> None:
    rng = random.Random(seed)
    world = World(small_game(rng, kind))
    wander(world, rng, noise)
    commands = solve(world)
    play(world.copy(), commands)
    if commands:
        assert shortest(world, len(commands) - 1) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_blind_search_agrees_in_many_states(kind: GoalKind) -> None:
    for seed in range(1500):
        rng = random.Random(seed)
        world = World(small_game(rng, kind))
        wander(world, rng, rng.randint(0, 12))
        length = len(solve(world))
        assert length == 0 or shortest(world, length) == length, seed


@given(st.sampled_from(panel("train")[:600]), st.integers(0, 10**6), st.integers(0, 60))
def test_every_state_of_generated_games_can_be_won(task: str, seed: int, noise: int) -> None:
    world = World(generated_game(task))
    wander(world, random.Random(seed), noise)
    play(world, solve(world))


@given(st.sampled_from(panel("train")[:600]), st.integers(0, 10**6), st.integers(0, 30))
def test_each_step_of_the_expert_is_one_nearer(task: str, seed: int, noise: int) -> None:
    world = World(generated_game(task))
    wander(world, random.Random(seed), noise)
    for left in range(len(solve(world)), 0, -1):
        assert len(solve(world)) == left
        world.step(full_action(world))
    assert world.won


def test_nothing_to_do_when_won() -> None:
    world = World(generated_game(panel("train")[0]))
    play(world, solve(world))
    assert solve(world) == []
    assert full_action(world) == "look"


def house(
    receptacles: dict[str, tuple[str, str]],
    things: dict[str, str],
    fits: dict[str, str],
    goal: Goal,
) -> World:
    """Return a house of closed cabinets, drawers and fridges, and of open other receptacles.

    Args:
        receptacles: (type, location) by name.
        things: the receptacle that each object lies in, by its name, `type_bar_number`.
        fits: the types that fit in each type of receptacle.
        goal: what wins.
    """
    facts: list[Fact] = [("atlocation", "agent1", "loc_bar_9")]
    for name, (type_, location) in receptacles.items():
        facts += [
            ("receptacletype", name, f"{type_}type"),
            ("receptacleatlocation", name, location),
        ]
        facts += [("openable", name)] if type_ in ("cabinet", "drawer") else []
    for name, place in things.items():
        type_ = name.partition("_")[0]
        facts += [("objecttype", name, f"{type_}type"), ("pickupable", name)]
        facts += [("cleanable", name), ("inreceptacle", name, place)]
        facts += [("objectatlocation", name, receptacles[place][1])]
    for type_, fitting in fits.items():
        facts += [("cancontain", f"{type_}type", f"{thing}type") for thing in fitting.split()]
    return World(Game.from_facts(facts, goal, "do it.", "house"))


@pytest.mark.parametrize("other", ["loc_bar_1", "loc_bar_2"])
def test_what_was_taken_from_a_closed_place_is_put_back_into_it(other: str) -> None:
    """Another one would do, and comes first, and has to be opened."""
    world = house(
        {
            "cabinet_bar_1": ("cabinet", other),
            "cabinet_bar_2": ("cabinet", "loc_bar_2"),
            "sinkbasin_bar_1": ("sinkbasin", "loc_bar_3"),
        },
        {"mug_bar_1": "cabinet_bar_2"},
        {"cabinet": "mug", "sinkbasin": "mug"},
        Goal("clean", "mug", "cabinet"),
    )
    commands = solve(world)
    assert len(commands) == 7  # go, open, take, go, clean, go, put
    play(world, commands)


@pytest.mark.parametrize(("kind", "least"), [("place", 7), ("two", 11)])
def test_what_is_in_the_way_is_put_where_one_comes_by_later(kind: GoalKind, least: int) -> None:
    """The book fits into the closed drawer that is the goal; an equal cabinet comes first."""
    world = house(
        {
            "cabinet_bar_1": ("cabinet", "loc_bar_1"),
            "drawer_bar_1": ("drawer", "loc_bar_2"),
            "shelf_bar_1": ("shelf", "loc_bar_3"),
        },
        {"book_bar_1": "shelf_bar_1", "mug_bar_1": "shelf_bar_1", "mug_bar_2": "shelf_bar_1"},
        {"cabinet": "book", "drawer": "book mug"},
        Goal(kind, "mug", "drawer"),
    )
    for command in ("go to shelf 1", "take book 1 from shelf 1"):
        world.step(command)
        assert world.valid
    commands = solve(world)
    # go, open, put the book; go, take, go, put the mug; and again for two
    assert len(commands) == least
    play(world, commands)


@pytest.mark.parametrize("other", ["loc_bar_1", "loc_bar_2"])
def test_what_is_in_the_way_is_put_where_the_object_lies(other: str) -> None:
    world = house(
        {
            "cabinet_bar_1": ("cabinet", other),
            "cabinet_bar_2": ("cabinet", "loc_bar_2"),
            "shelf_bar_1": ("shelf", "loc_bar_3"),
        },
        {"book_bar_1": "shelf_bar_1", "mug_bar_1": "cabinet_bar_2"},
        {"cabinet": "book", "shelf": "mug"},
        Goal("place", "mug", "shelf"),
    )
    for command in ("go to shelf 1", "take book 1 from shelf 1"):
        world.step(command)
        assert world.valid
    commands = solve(world)
    assert len(commands) == 6  # go, open, put the book, take the mug, go, put it
    play(world, commands)


def test_hands_that_stay_full_for_ever() -> None:
    facts: list[Fact] = [
        ("atlocation", "agent1", "loc_bar_0"),
        ("receptacletype", "bed_bar_1", "bedtype"),
        ("receptacleatlocation", "bed_bar_1", "loc_bar_1"),
        ("receptacletype", "desk_bar_1", "desktype"),
        ("receptacleatlocation", "desk_bar_1", "loc_bar_2"),
        ("cancontain", "desktype", "booktype"),
    ]
    for thing in ("teddybear", "book"):
        facts += [("objecttype", f"{thing}_bar_1", f"{thing}type")]
        facts += [("pickupable", f"{thing}_bar_1"), ("inreceptacle", f"{thing}_bar_1", "bed_bar_1")]
        facts += [("objectatlocation", f"{thing}_bar_1", "loc_bar_1")]
    goal = Goal("place", "book", "desk")
    world = World(Game.from_facts(facts, goal, "put a book in desk.", "full/hands"))
    assert len(solve(world)) == 4
    for command in ("go to bed 1", "take teddybear 1 from bed 1"):
        world.step(command)
    with pytest.raises(UnsolvableError, match="full/hands"):
        solve(world)


@pytest.mark.parametrize("every", [40, pytest.param(1, marks=pytest.mark.slow)])
def test_official_walkthroughs_are_as_long(official_folder: Path, every: int) -> None:
    paths = sorted(official_folder.rglob("game.tw-pddl"))
    assert len(paths) == 3693
    for path in paths[::every]:
        data = json.loads(path.read_text())
        world = World(Game.from_json(data, path.parent.name))
        commands = solve(world)
        assert len(commands) == len(data["walkthrough"]), path
        play(world, commands)
