"""Self-play that was killed, at whatever write, ends as if it had not been."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import parallel_worlds  # noqa: F401  (registers the test worlds)
import pytest
from killing import require_bit_exact

from anchorgym.training.selfplay import CoevolveConfig, coevolve
from anchorgym.training.selfplay.config import read_coevolve_config

SMALL: dict[str, Any] = {
    "env": "test/Cards-v0",
    "league": {"bounds": [-2, 2]},
    "generations": 3,
    "iterations": 2,
    "tasks": 2,
    "group_size": 2,
    "payoff_games": 32,
    "checkpoint": {"seconds": 0},
}
LEAGUE = {"schedule": {"kind": "league", "past": 0.8}}
RESPONSES = {**LEAGUE, "generations": 2, "best_response": {"iterations": 2, "every": 1}}
WARMED = {
    "generations": 1,
    "roles": {
        "player": {
            "policy": {
                "name": "tiny",
                "vocabulary_tasks": 4,
                "hidden": 16,
                "layers": 1,
                "heads": 2,
                "feed_forward": 16,
            },
            "warmup": {"scripts": ["random"], "updates": 20, "batch": 2},
        }
    },
}
"""A role that clones two pools of transcripts before self-play begins."""


def run(settings: dict[str, Any], folder: Path) -> None:
    """Begin a run, or go on with it as `--resume` does: with the settings in its folder."""
    begun = (folder / "config.json").exists()
    config = read_coevolve_config(folder) if begun else CoevolveConfig.parse({**SMALL, **settings})
    for _ in coevolve(config, folder, resume=True):
        pass


def test_a_run_that_is_gone_on_with_learns_at_the_same_rates(tmp_path: Path) -> None:
    """A table's learning rate is that of tables only where none was given."""
    settings = {"roles": {"player": {"learner": {"epochs": 1}}}, "payoff_games": 0}
    run(settings, tmp_path / "whole")
    generations = coevolve(CoevolveConfig.parse({**SMALL, **settings}), tmp_path / "cut")
    next(generations)
    generations.close()
    run(settings, tmp_path / "cut")
    for last in ("whole", "cut"):
        records = [json.loads(line) for line in (tmp_path / last / "metrics.jsonl").open()]
        rates = [record["learning_rate"] for record in records if "learning_rate" in record]
        assert rates == [1.0] * 6
    tables = [tmp_path / last / "players/player-3/table.safetensors" for last in ("whole", "cut")]
    assert tables[0].read_bytes() == tables[1].read_bytes()


@pytest.mark.parametrize("settings", [LEAGUE, RESPONSES], ids=["league", "responses"])
def test_self_play_that_was_killed_meets_the_same_opponents(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    require_bit_exact(lambda folder: run(settings, folder), tmp_path, kills=4)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [LEAGUE, RESPONSES], ids=["league", "responses"])
def test_self_play_can_be_killed_at_any_write(settings: dict[str, Any], tmp_path: Path) -> None:
    require_bit_exact(lambda folder: run(settings, folder), tmp_path, kills=None)


@pytest.mark.slow
def test_a_warm_up_can_be_killed_at_any_write(tmp_path: Path) -> None:
    require_bit_exact(lambda folder: run(WARMED, folder), tmp_path, kills=40)


@pytest.mark.parametrize("settings", [LEAGUE, RESPONSES], ids=["league", "responses"])
def test_how_often_self_play_is_saved_does_not_change_it(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    for name, seconds in (("often", 0), ("rarely", 3600)):
        run({**settings, "checkpoint": {"seconds": seconds}}, tmp_path / name)
    often, rarely = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for part in ("players", "league")
            for path in (tmp_path / name / part).rglob("*")
            if path.is_file()
        }
        for name in ("often", "rarely")
    )
    assert often == rarely
