"""The stock engine, when it is installed, plays the same game."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from anchorgym.envs.alfworld.data import GAME_FILE, OfficialGames
from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.alfworld.export import export_game
from anchorgym.envs.alfworld.game import TASK_TYPES, Game
from anchorgym.envs.alfworld.generator import generated_game
from anchorgym.envs.alfworld.text import DIALECTS

WHY = "the stock engine is not installed: pip install 'anchorgym[textworld]'"
textworld = pytest.importorskip("textworld", reason=WHY, exc_type=ImportError)
stock = pytest.importorskip(
    "alfworld.agents.environment.alfred_tw_env", reason=WHY, exc_type=ImportError
)

TURNS = 25
few_or_many = pytest.mark.parametrize(
    ("dialect", "games"),
    [
        ("2.1.2", 2),
        ("2.1.1", 1),
        *(pytest.param(dialect, 24, marks=pytest.mark.slow) for dialect in DIALECTS),
    ],
)
PATCH = {
    "You arrive at {lend.name}.": "You arrive at {r.name}.",
    "put {o} in/on {r}": "move {o} to {r}",
    "You put the {o.name} in/on the {r.name}.": "You move the {o.name} to the {r.name}.",
}
"""What the official script `patch_tw-pddl.py`, which made the newer games, puts for what."""


@few_or_many
def test_official_games_play_as_in_the_stock_engine(
    official_folder: Path, tmp_path: Path, dialect: str, games: int
) -> None:
    official = OfficialGames(official_folder)
    rng = random.Random(games)
    tasks = [("valid_seen", task) for task in rng.sample(official.tasks("valid_seen"), games // 2)]
    tasks += [("train", task) for task in rng.sample(official.tasks("train"), -(-games // 2))]
    for number, (split, task) in enumerate(tasks):
        data = json.loads((official.root / split / task / GAME_FILE).read_text())
        file = _written(data, tmp_path / f"{number}", dialect)
        _play_both(official.game(task), file, rng, dialect)


@few_or_many
def test_generated_games_play_as_in_the_stock_engine(
    tmp_path: Path, dialect: str, games: int
) -> None:
    rng = random.Random(games)
    types = list(TASK_TYPES.values())
    for number in range(games):
        split = rng.choice(["train", "valid_unseen"])
        task = f"{split}/{types[number % 6]}/{rng.randrange(10**6)}"
        file = _written(export_game(task), tmp_path / f"{number}", dialect)
        _play_both(generated_game(task), file, rng, dialect)


def test_an_exported_game_is_the_game_generated(tmp_path: Path) -> None:
    for task_type in TASK_TYPES.values():
        task = f"train/{task_type}/7"
        ours, read = generated_game(task), Game.from_json(export_game(task), task)
        for field in ("task", "goal", "contents", "object_names", "receptacle_locations"):
            assert getattr(read, field) == getattr(ours, field)


def _written(data: dict[str, Any], folder: Path, dialect: str) -> Path:
    """Write a game file, for the older dialect with all undone that the patch did."""
    if dialect == "2.1.1":
        for old, new in PATCH.items():
            assert new in data["grammar"]
            data["grammar"] = data["grammar"].replace(new, old)
        data["grammar"], _, helping = data["grammar"].rpartition("action help {")
        domain, _, rest = data["pddl_domain"].rpartition("(:action help")
        assert helping.count("template ::") == 1
        assert rest.count("(:") == 0
        data["pddl_domain"] = f"{domain})"
        put = [re.sub("^move (.*) to ", r"put \1 in/on ", step) for step in data["walkthrough"]]
        data["walkthrough"] = put
    folder.mkdir()
    file = folder / GAME_FILE
    file.write_text(json.dumps(data))
    return file


def _play_both(game: Game, file: Path, rng: random.Random, dialect: str) -> None:
    """Play commands that are and are not possible, the walkthrough at the end, and beyond."""
    infos = textworld.EnvInfos(won=True, admissible_commands=True)
    env = textworld.start(str(file), infos, wrappers=[stock.AlfredDemangler()])
    world = World(game, DIALECTS[dialect])
    theirs = env.reset()
    assert world.reset() == theirs.feedback
    walkthrough = json.loads(file.read_text())["walkthrough"]
    played: list[str] = []
    for turn in range(TURNS):
        leads = turn < len(walkthrough) and rng.random() < 0.8
        played.append(walkthrough[turn] if leads else _some_command(world, rng))
        observation = world.step(played[-1])
        theirs, _, done = env.step(played[-1])
        assert observation == theirs.feedback, (game.name, played)
        assert list(world.admissible()) == theirs.admissible_commands, (game.name, played)
        assert world.won == theirs.won == done, (game.name, played)
    env.close()


def _some_command(world: World, rng: random.Random) -> str:
    """Return a command: mostly admissible, seldom a mere move, sometimes nonsense."""
    game: Any = world.game
    doing = [c for c in world.admissible() if not c.startswith(("go to", "help"))]
    thing, place = rng.choice(game.object_names), rng.choice(game.receptacle_names)
    invalid = [
        f"take {thing} from {place}",
        f"examine {thing}",
        f"open {place}",
        f"clean {thing} with {place}",
        f"put {thing} in/on {place}",
        f"move {thing} to {place}",
        f"put {thing} in {place}",
        "help",
        "dance",
        "",
    ]
    draw = rng.random()
    return rng.choice(invalid if draw < 0.15 else doing if draw < 0.6 else world.admissible())
