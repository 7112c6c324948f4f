"""The honest expert: it wins from everywhere, and knows no more than it was shown."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_households import small_game, wander

from anchorgym.envs.alfworld.engine import NOTHING, World
from anchorgym.envs.alfworld.expert import honest_action
from anchorgym.envs.alfworld.game import TASK_TYPES, Game, GoalKind
from anchorgym.envs.alfworld.generator import generated_game, panel
from anchorgym.envs.alfworld.solver import UnsolvableError, solve

KINDS: list[GoalKind] = list(TASK_TYPES)
SPLITS = ("train", "valid_seen")


def play(world: World) -> int:
    """Let the expert play to the end; return how many steps it took.

    It may never be in a state twice: it would do the same again.
    """
    steps, known = 0, set()
    while not world.won:
        assert (world.anchor(), world.seen) not in known, world.game.name
        known.add((world.anchor(), world.seen))
        world.step(honest_action(world))
        assert world.valid, world.game.name
        steps += 1
    return steps


def official_games(folder: Path, split: str, every: int) -> Iterator[Game]:
    """Yield every n-th official game of a split."""
    for path in sorted((folder / "json_2.1.1" / split).rglob("game.tw-pddl"))[::every]:
        yield Game.from_json(json.loads(path.read_text()), path.parent.name)


@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.integers(0, 15))
def test_it_wins_small_games_from_any_state(kind: GoalKind, seed: int, noise: int) -> None:
    rng = random.Random(seed)
    world = World(small_game(rng, kind))
    wander(world, rng, noise)
    assert play(world) <= 2 * len(world.contents) + 10


@given(st.sampled_from(panel("train")[:1200]), st.integers(0, 10**6), st.integers(0, 80))
def test_it_wins_generated_games_from_any_state(task: str, seed: int, noise: int) -> None:
    world = World(generated_game(task))
    wander(world, random.Random(seed), noise)
    assert play(world) <= 2 * len(world.contents) + 10


@given(st.sampled_from(panel("train")[:1200]), st.integers(0, 10**6), st.integers(0, 40))
def test_it_does_not_know_what_was_not_shown(task: str, seed: int, noise: int) -> None:
    rng = random.Random(seed)
    world = World(generated_game(task))
    wander(world, rng, noise)
    state = world.state()
    hidden = [r for r in range(len(world.contents)) if not world.seen >> r & 1]
    contents = [state["contents"][r] for r in hidden]
    rng.shuffle(contents)
    for receptacle, held in zip(hidden, contents, strict=True):
        state["contents"][receptacle] = held
    elsewhere = set(hidden) - set(world.game.receptacles_at[world.location])
    opened = {r for r in elsewhere & world.game.openable if rng.random() < 0.5}
    other = World(world.game)
    other.load({**state, "opened": opened.symmetric_difference(state["opened"])})
    assert other.won or honest_action(other) == honest_action(world)


def test_it_is_a_function_of_the_state() -> None:
    world = World(generated_game(panel("train")[2]))
    before = world.anchor(), world.seen
    assert honest_action(world) == honest_action(world.copy())
    assert (world.anchor(), world.seen) == before


def test_idle_when_won() -> None:
    world = World(generated_game(panel("train")[0]))
    for command in solve(world):
        world.step(command)
    assert honest_action(world) == "look"


@pytest.mark.parametrize("split", ["train", "valid_unseen"])
def test_it_is_quick_on_generated_games(split: str) -> None:
    steps = [play(World(generated_game(task))) for task in panel(split)[:600]]
    assert mean(n <= 50 for n in steps) >= 0.995
    assert mean(steps) < 8.5


@pytest.mark.slow
def test_it_wins_thousands_of_generated_games() -> None:
    steps = [play(World(generated_game(task))) for task in panel("train")[:9000]]
    assert mean(n <= 50 for n in steps) >= 0.999


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_it_wins_official_games(official_folder: Path, every: int) -> None:
    steps = {
        split: [play(World(game)) for game in official_games(official_folder, split, every)]
        for split in SPLITS
    }
    assert mean(n <= 50 for n in steps["train"]) >= (0.999 if every == 1 else 0.995)
    assert max(steps["valid_seen"]) <= 50
    assert mean(steps["train"]) < 8.2


@pytest.mark.slow
def test_it_wins_official_games_from_any_state(official_folder: Path) -> None:
    """But for those whose hands were filled with what can never be put down."""
    rng, stuck = random.Random(0), 0
    for game in official_games(official_folder, "train", 4):
        world = World(game)
        wander(world, rng, rng.randint(1, 60))
        try:
            solve(world)
        except UnsolvableError:
            held = game.object_types[world.holding] if world.holding != NOTHING else ""
            assert held in ("teddybear", "papertowelroll")
            stuck += 1
        else:
            assert play(world) <= 2 * len(world.contents) + 10
    assert stuck < 60
