"""Games for the tests: a small household, and the official data where it is at hand."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from anchorgym.envs.alfworld.game import Fact, Game, Goal

RECEPTACLES = {
    # id: (type, location, openable); countertop and sink share a location
    "countertop_bar_1": ("countertop", "loc_bar_1", False),
    "sink_bar_1_bar_sinkbasin": ("sinkbasin", "loc_bar_1", False),
    "fridge_bar_1": ("fridge", "loc_bar_2", True),
}
OBJECTS = {
    # id: (type, receptacles it is in, properties); the apple is in two at once
    "apple_bar_1": ("apple", ("countertop_bar_1", "fridge_bar_1"), "pickup clean cool slice"),
    "bowl_bar_1": ("bowl", ("sink_bar_1_bar_sinkbasin",), "pickup clean"),
    "desklamp_bar_1": ("desklamp", ("countertop_bar_1",), "toggle"),
    "knife_bar_1": ("knife", ("countertop_bar_1",), "pickup"),
}


def kitchen_facts() -> list[Fact]:
    """Return the facts of a kitchen with every oddity that official games have."""
    facts: list[Fact] = [("atlocation", "agent1", "loc_bar_9")]
    facts.append(("isreceptacleobject", "bowl_bar_1"))
    for receptacle, (kind, location, openable) in RECEPTACLES.items():
        facts.append(("receptacletype", receptacle, f"{kind}type"))
        facts.append(("receptacleatlocation", receptacle, location))
        facts += [("openable", receptacle)] if openable else []
        held = ("apple", "bowl") if openable else ("apple", "bowl", "knife")
        facts += [("cancontain", f"{kind}type", f"{thing}type") for thing in held]
    for thing, (kind, places, abilities) in OBJECTS.items():
        facts.append(("objecttype", thing, f"{kind}type"))
        facts += [("inreceptacle", thing, place) for place in places]
        facts.append(("objectatlocation", thing, RECEPTACLES[places[0]][1]))
        facts += [(f"{ability}able", thing) for ability in abilities.split()]
    return facts


@pytest.fixture(scope="session")
def kitchen() -> Callable[[Goal], Game]:
    """Make the small kitchen's game with a goal."""

    def make(goal: Goal) -> Game:
        return Game.from_facts(kitchen_facts(), goal, "do something.", f"kitchen/{goal.kind}")

    return make


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's data and cache out of the tests."""
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def official_folder(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the official games' json_2.1.1/."""
    archive = reference / "data" / "alfworld_games.tar.xz"
    if not archive.is_file():
        pytest.skip("the official games are absent from the reference data")
    folder = tmp_path_factory.mktemp("official")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture
def small_data(tmp_path: Path) -> Path:
    """A data folder of two playable games and of what the official loader leaves out."""
    folder = tmp_path / "data"
    place, look = "pick_and_place_simple-Apple-None-Fridge-1", "look_at_obj_in_light-A-None-B-2"
    movable = "pick_and_place_with_movable_recep-Apple-Bowl-Fridge-1"
    for task, trial, change in (
        (place, "trial_1", {}),
        (look, "trial_2", {}),
        (place, "trial_unsolvable", {"solvable": False}),
        (place, "trial_unchecked", {"solvable": None}),
        (movable, "trial_3", {}),
        ("pick_and_place_simple-AppleSliced-None-Fridge-1", "trial_4", {}),
    ):
        write_game(folder / "json_2.1.1" / "train" / task / trial, change)
    (folder / "json_2.1.1" / "train" / place / "trial_without_game").mkdir()
    return folder


def write_game(folder: Path, change: Mapping[str, object]) -> None:
    """Write the small kitchen as an official game file."""
    init = "\n".join(f"({' '.join(fact)})" for fact in kitchen_facts())
    goal = (
        "(:goal (and (exists (?r - receptacle) (exists (?o - object) (and (inReceptacle ?o ?r) "
        "(objectType ?o BowlType) (receptacleType ?r FridgeType))))))"
    )
    game = {
        "pddl_problem": f"(define (problem kitchen) ; a (comment)\n(:init\n{init}\n)\n{goal})",
        "grammar": 'task :: """{"task": [{"rhs": "Your task is to: put a \\"bowl\\" away."}]}"""',
        "solvable": True,
        "walkthrough": [],
    }
    folder.mkdir(parents=True)
    (folder / "game.tw-pddl").write_text(json.dumps({**game, **change}))
