"""Trainings of cooks that were killed, at whatever write, end as if they had not been."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from killing import require_bit_exact

from anchorgym.envs.overcooked import Kitchen, load_layout
from anchorgym.training.cli import main
from anchorgym.training.config.run_folders import RunFinishedError
from anchorgym.training.worlds.overcooked.config import CloneCookConfig, TrainCookConfig
from anchorgym.training.worlds.overcooked.runs import clone_cook, train_cook

PPO = {"iterations": 4, "games": 3, "ticks": 12, "horizon": 20, "epochs": 2, "minibatches": 2}
SMALL: dict[str, Any] = {"ppo": PPO, "checkpoint": {"seconds": 0}}


def train(folder: Path) -> None:
    with contextlib.suppress(RunFinishedError):
        train_cook(TrainCookConfig.parse(SMALL), folder, resume=True)


def test_a_cook_whose_training_was_killed_is_the_same(tmp_path: Path) -> None:
    require_bit_exact(train, tmp_path, kills=4)


@pytest.mark.slow
def test_the_training_of_a_cook_can_be_killed_at_any_write(tmp_path: Path) -> None:
    require_bit_exact(train, tmp_path, kills=None)


def test_a_cook_goes_on_where_it_was_saved_and_plays_no_game_twice(tmp_path: Path) -> None:
    """The games in progress, their scores and all generators are part of a checkpoint."""
    whole, _ = train_cook(TrainCookConfig.parse({"ppo": PPO}), tmp_path / "whole")
    saved, _ = train_cook(TrainCookConfig.parse(SMALL), tmp_path / "saved")
    for name, weight in whole.net.state_dict().items():
        assert (saved.net.state_dict()[name] == weight).all()


def record_games(path: Path, n: int) -> Path:
    """Write games in which both cooks turn around and wait."""
    kitchen = Kitchen(load_layout("cramped_room"))
    assert kitchen.width == 5
    lines = []
    for game in range(n):
        for tick in range(6):
            cooks = [
                {"position": [1 + 2 * i, 2], "orientation": [0, -1 if (tick + game) % 2 else 1]}
                for i in range(2)
            ]
            state = {"players": [{**cook, "held_object": None} for cook in cooks], "objects": {}}
            lines.append(
                {
                    "cur_gameloop": tick,
                    "layout_name": "cramped_room",
                    "state": repr(state),
                    "joint_action": repr([[0, -1 if tick % 2 else 1], [0, 0]]),
                }
            )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_clone_that_was_killed_is_the_same(tmp_path: Path) -> None:
    games = record_games(tmp_path / "games.jsonl", 6)
    config = CloneCookConfig.parse({"data": str(games), "clone": {"passes": 2}})

    def clone(folder: Path) -> None:
        with contextlib.suppress(RunFinishedError):
            clone_cook(config, folder, resume=True)

    require_bit_exact(clone, tmp_path / "runs", kills=5)


def test_a_training_in_which_no_game_ended_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["overcooked", "train", "--out", str(tmp_path / "cook"), "--ppo.iterations", "1"]
    small = ["--ppo.games", "2", "--ppo.ticks", "5", "--ppo.horizon", "50"]
    assert main([*words, *small]) == 0
    said = capsys.readouterr().out
    assert "no game has ended yet" in said
    assert "nan" not in said
