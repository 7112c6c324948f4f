"""The engine: equal to recorded play of the stock engine, and exact about its states."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorgym.envs.alfworld.data import OfficialGames
from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.alfworld.game import Game, Goal
from anchorgym.envs.alfworld.generator import generated_game
from anchorgym.envs.alfworld.state import State
from anchorgym.envs.alfworld.text import NOTHING_HAPPENS, Dialect

GOALS = [
    Goal("place", "bowl", "fridge"),
    Goal("clean", "apple", "fridge"),
    Goal("cool", "apple", "countertop"),
    Goal("two", "apple", "sinkbasin"),
    Goal("look", "bowl", "desklamp"),
]
Kitchen = Callable[[Goal], Game]


def test_recorded_play_of_the_stock_engine_is_reproduced(
    reference: Path, official_folder: Path
) -> None:
    games = OfficialGames(official_folder)
    states = 0
    with gzip.open(reference / "data" / "alfworld_traces.jsonl.gz", "rt") as file:
        for record in map(json.loads, file):
            task = "/".join(Path(record["game"]).parts[-3:-1])
            world = World(games.game(task))
            for turn in record["trace"]:
                command = turn["cmd"]
                observation = world.reset() if command is None else world.step(command)
                assert observation == turn["obs"], (task, command)
                assert list(world.admissible()) == turn["adm"], (task, command)
                assert world.won == turn["won"], (task, command)
                states += 1
    assert states == 24 * 41


@pytest.mark.parametrize(
    "goal",
    [pytest.param(g, marks=pytest.mark.slow if g.kind != "cool" else (), id=g.kind) for g in GOALS],
)
def test_the_anchor_tells_apart_exactly_the_states_with_different_futures(
    goal: Goal, kitchen: Kitchen
) -> None:
    """All states of a small game, refined by what every command shows and leads to."""
    start = World(kitchen(goal))
    worlds, waiting, futures = {start.anchor(): start}, [start], {}
    while waiting:
        world = waiting.pop()
        future = []
        for command in world.admissible():
            after = world.copy()
            feedback = after.step(command)
            assert after.valid
            if after.anchor() not in worlds:
                worlds[after.anchor()] = after
                waiting.append(after)
            future.append((command, feedback, after.won, after.anchor()))
        futures[world.anchor()] = future
    kinds = dict.fromkeys(futures, 0)
    while True:
        seen: dict[object, int] = {}
        finer = {
            anchor: seen.setdefault(
                (kinds[anchor], tuple((*what, kinds[to]) for *what, to in future)), len(seen)
            )
            for anchor, future in futures.items()
        }
        if len(seen) == len(set(kinds.values())):
            break
        kinds = finer
    assert len(set(kinds.values())) == len(futures) > 1000


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.kind)
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_states_are_kept_exactly(goal: Goal, kitchen: Kitchen, seed: int) -> None:
    game, rng = kitchen(goal), random.Random(seed)
    world = World(game)
    for _ in range(25):
        world.step(_some_command(world, rng))
        key = game.key
        for fact in set(world.facts()) ^ set(State(game).facts()):
            key ^= game.fact_key(fact)
        assert world.anchor() == key.to_bytes(16, "big")
        restored = World(game)
        restored.load(json.loads(json.dumps(world.state())))
        assert _everything(restored) == _everything(world)
        found = world.goal_progress
        assert found.won == (found.progress == 1) == (found.met == found.conditions)
        assert 0 <= found.progress <= 1


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(GOALS))
def test_a_command_does_something_exactly_if_it_is_admissible(
    kitchen: Kitchen, seed: int, kind: Goal
) -> None:
    world, rng = World(kitchen(kind)), random.Random(seed)
    for _ in range(30):
        command, before = _some_command(world, rng), _everything(world)
        admissible = command in world.admissible()
        feedback = world.step(command)
        assert world.valid == admissible == (not world.problem)
        if not admissible:
            assert feedback == NOTHING_HAPPENS
            assert _everything(world) == before


@given(command=st.text(max_size=40))
def test_any_text_is_answered(kitchen: Kitchen, command: str) -> None:
    world = World(kitchen(GOALS[0]))
    world.step("go to countertop 1")
    allowed = command.strip() in world.admissible()
    assert (world.step(command) == NOTHING_HAPPENS) == (not allowed)


def test_oddities_of_the_game_are_kept(kitchen: Kitchen) -> None:
    world = World(kitchen(Goal("look", "bowl", "desklamp")))
    room = "You are in the middle of a room. Looking quickly around you, you see"
    assert world.reset() == (
        f"-= Welcome to TextWorld, ALFRED! =-\n\n{room} a countertop 1, a fridge 1, and a "
        "sinkbasin 1.\n\nYour task is to: do something."
    )
    facing = "You are facing the countertop 1, and sinkbasin 1."
    turns = [
        ("look", f"{room} nothing."),
        (
            "go to countertop 1",
            "You arrive at countertop 1. On the countertop 1, you see a apple 1, a desklamp 1, "
            "and a knife 1.",
        ),
        ("go to sinkbasin 1", NOTHING_HAPPENS),
        ("examine knife 1", NOTHING_HAPPENS),
        ("look", f"{facing} Next to it, you see nothing."),
        ("take apple 1 from countertop 1", "You pick up the apple 1 from the countertop 1."),
        ("clean apple 1 with sinkbasin 1", "You clean the apple 1 using the sinkbasin 1."),
        ("examine apple 1", "This is a clean apple 1."),
        ("move apple 1 to sinkbasin 1", "You move the apple 1 to the sinkbasin 1."),
        ("look", f"{facing} Next to it, you see a apple 1."),
        ("use desklamp 1", "You turn on the desklamp 1."),
        ("use desklamp 1", "You turn on the desklamp 1."),
        ("take knife 1 from countertop 1", "You pick up the knife 1 from the countertop 1."),
        ("slice apple 1 with knife 1", "You sliced the apple 1 with the knife 1."),
        ("go to fridge 1", "You arrive at fridge 1. The fridge 1 is closed."),
        ("move knife 1 to fridge 1", NOTHING_HAPPENS),
        ("open fridge 1", "You open the fridge 1. The fridge 1 is open. In it, you see a apple 1."),
        ("close fridge 1", "You close the fridge 1."),
        ("inventory", "You are carrying: a knife 1."),
    ]
    for command, feedback in turns:
        assert world.step(command) == feedback, command


def test_what_nobody_can_notice_does_not_change_the_anchor(kitchen: Kitchen) -> None:
    world = World(kitchen(Goal("place", "apple", "fridge")))
    world.step("go to countertop 1")
    anchor = world.anchor()
    world.step("use desklamp 1")
    world.step("take bowl 1 from sinkbasin 1")
    world.step("clean bowl 1 with sinkbasin 1")
    world.step("move bowl 1 to sinkbasin 1")
    assert world.anchor() == anchor
    lit = World(kitchen(Goal("look", "bowl", "desklamp")))
    lit.step("go to countertop 1")
    anchor = lit.anchor()
    lit.step("use desklamp 1")
    assert lit.anchor() != anchor


def test_seen_are_the_receptacles_whose_content_was_shown(kitchen: Kitchen) -> None:
    world = World(kitchen(GOALS[0]))
    counter, fridge, sink = (
        1 << world.game.receptacle_numbers[f"{name} 1"]
        for name in ("countertop", "fridge", "sinkbasin")
    )
    for command, seen in (
        ("go to fridge 1", 0),
        ("open fridge 1", fridge),
        ("go to countertop 1", fridge | counter),
        ("examine sinkbasin 1", fridge | counter | sink),
    ):
        world.step(command)
        assert world.seen == seen


def test_unchanged_commands_are_the_same_object(kitchen: Kitchen) -> None:
    world = World(kitchen(GOALS[0]))
    assert world.admissible() is world.admissible()
    before = world.admissible()
    world.step("look")
    world.step("nonsense")
    assert world.admissible() is before


def test_an_object_is_described_by_what_was_done_to_it() -> None:
    words = Dialect()
    described = {
        "There's nothing special about egg 1.": {},
        "This is a hot and clean sliced egg 1.": {"clean", "hot", "sliced"},
        "This is a cool and clean sliced egg 1.": {"clean", "cool", "sliced"},
        "This is a clean sliced egg 1.": {"clean", "sliced"},
        "This is a hot sliced egg 1.": {"hot", "sliced"},
        "This is a cool sliced egg 1.": {"cool", "sliced"},
        "This is a hot and clean egg 1.": {"clean", "hot"},
        "This is a cool and clean egg 1.": {"clean", "cool"},
        "This is a hot egg 1.": {"hot", "on"},
        "This is a clean egg 1.": {"clean"},
        "This is a cold egg 1.": {"cool"},
        "This egg 1 is on.": {"on", "sliced"},
        "This is a sliced egg 1.": {"sliced"},
    }
    for text, states in described.items():
        flags = {name: name in states for name in ("clean", "hot", "cool", "sliced", "on")}
        assert words.thing("egg 1", **flags) == text


def test_anchors_are_the_same_in_every_process() -> None:
    script = (
        "from anchorgym.envs.alfworld import World\n"
        "from anchorgym.envs.alfworld.generator import generated_game\n"
        "world = World(generated_game('train/pick_and_place_simple/0'))\n"
        "for _ in range(5): world.step(world.admissible()[0])\n"
        "print(world.anchor().hex())"
    )
    world = World(generated_game("train/pick_and_place_simple/0"))
    for _ in range(5):
        world.step(world.admissible()[0])
    for salt in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == world.anchor().hex()


@pytest.mark.parametrize(
    "change",
    [
        {"location": 99},
        {"holding": True},
        {"contents": []},
        {"contents": [[0], [77], []]},
        {"opened": [-1]},
        {"absent": [[0]]},
        {"clean": "x"},
        {"seen": -1},
    ],
    ids=str,
)
def test_a_state_that_is_none_is_refused(kitchen: Kitchen, change: dict[str, object]) -> None:
    world = World(kitchen(GOALS[0]))
    world.step("go to fridge 1")
    before = _everything(world)
    with pytest.raises((KeyError, TypeError, ValueError)):
        world.load({**world.state(), **change})
    assert _everything(world) == before


def _some_command(world: World, rng: random.Random) -> str:
    """Return an admissible command, or one that may be."""
    things = (*world.game.object_names, *world.game.receptacle_names)
    first, second = rng.choice(things), rng.choice(things)
    return rng.choice(
        [
            *[rng.choice(world.admissible())] * 8,
            rng.choice([command for command in world.admissible() if "go to" not in command]),
            f"take {first} from {second}",
            f"move {first} to {second}",
            f"{rng.choice(['clean', 'heat', 'cool', 'slice'])} {first} with {second}",
            f"{rng.choice(['use', 'open', 'close', 'examine', 'go', 'go to', 'look'])} {first}",
            rng.choice(["", "look ", "help me", "inventory 1", "go to", "GO TO fridge 1"]).strip(),
        ]
    )


def _everything(world: World) -> tuple[object, ...]:
    return world.state(), world.anchor(), world.admissible(), world.goal_progress
