"""The examples: the games that `make train-llm` plays, and its recipe."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from anchorgym.envs import make
from anchorgym.training import TrainConfig
from anchorgym.training.config.overrides import parse_settings

EXAMPLES = Path(__file__).parent.parent / "examples"
WHY = "the stock engine is not installed: pip install 'anchorgym[textworld]'"


@pytest.fixture(scope="module")
def coins(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The example's namespace, and a folder of eight of its games."""
    pytest.importorskip("textworld.challenges", reason=WHY, exc_type=ImportError)
    example = runpy.run_path(str(EXAMPLES / "coin_collector.py"))
    folder = tmp_path_factory.mktemp("coins") / "games"
    example["GAMES"].update(train=4, valid=2, test=2)
    example["main"](folder)
    return example, folder


def test_coin_collector_games_are_won_by_what_they_tell(
    coins: tuple[dict[str, Any], Path],
) -> None:
    example, folder = coins
    steps = []
    for split in ("train", "valid", "test"):
        env = make("anchorgym/TextWorld-v0", games=str(folder), split=split)
        for task in env.tasks():
            observation, info = env.reset(seed=0, options={"task": task})
            assert info["goal"] in observation
            told, count = info["goal"].lower(), 0
            while not info["won"]:
                action = env.expert_action("full")
                told = told[told.index(action.split()[-1]) + 1 :]  # directions, in their order
                info = env.step(action)[-1]
                count += 1
            steps.append(count)
        env.close()
    rooms = example["ROOMS"]
    assert steps == [rooms[game % len(rooms)] for game in range(8)]


def test_coin_collector_games_differ_and_repeat(
    coins: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    example, folder = coins
    games = sorted(folder.glob("*/*.json"))
    assert len({game.read_text() for game in games}) == len(games) == 8
    example["write"](4, tmp_path / "again.z8")  # the first game of validation
    first = make("anchorgym/TextWorld-v0", games=str(folder), split="valid")
    again = make("anchorgym/TextWorld-v0", games=str(tmp_path / "again.z8"))
    try:
        told = [env.reset(options={"task": env.tasks()[0]})[1]["goal"] for env in (first, again)]
        assert told[0] == told[1]
    finally:
        first.close()
        again.close()


def test_the_recipe_of_the_language_model_is_valid() -> None:
    given = parse_settings([f"@{EXAMPLES / 'train_llm.toml'}"], TrainConfig)
    config = TrainConfig.parse(given)
    assert config.env.id == "anchorgym/TextWorld-v0"
    assert config.rollout.max_turns == config.env.max_turns
    assert config.rollout.tasks * config.rollout.group_size % config.learner.minibatch == 0
