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
