"""Trainings of battle policies that were killed, at whatever write, end as if they had not been."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from killing import require_bit_exact
from vgc_battles import REG_I

from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.training.worlds.vgc.anchored import GroupConfig, train_groups
from anchorgym.training.worlds.vgc.cloning import clone_battles
from anchorgym.training.worlds.vgc.config import CloneBattlesConfig, PopulationConfig
from anchorgym.training.worlds.vgc.network import Size
from anchorgym.training.worlds.vgc.policy import new_net, save_policy
from anchorgym.training.worlds.vgc.populations import train_population

pytestmark = pytest.mark.usefixtures("small_blocks")
SMALL = {"width": 16, "layers": 1, "heads": 2, "hidden": 16}
OFTEN = {"checkpoint": {"seconds": 0}}
CLONE = {"battle": {"teams": 2}, "net": SMALL, "battles": 4, "epochs": 3, "teacher": "random"}
POPULATION: dict[str, Any] = {
    "battle": {"teams": 2},
    "net": SMALL,
    "rounds": 2,
    "updates": 2,
    "battles": 2,
    "games": 2,
    "ppo": {"warm_up": 1},
    **OFTEN,
}


def train(folder: Path, **settings: Any) -> None:
    train_population(PopulationConfig.parse({**POPULATION, **settings}), folder, resume=True)


def clone(folder: Path) -> None:
    list(clone_battles(CloneBattlesConfig.parse({**CLONE, **OFTEN}), folder, resume=True))


@pytest.mark.slow
def test_a_population_that_was_killed_is_the_same(simulator: None, tmp_path: Path) -> None:
    require_bit_exact(train, tmp_path, kills=12)


@pytest.mark.slow
def test_an_exploiter_that_was_killed_is_the_same(simulator: None, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"method": "exploiter", "target": "random"}
    require_bit_exact(lambda folder: train(folder, **settings), tmp_path, kills=4)


@pytest.mark.slow
def test_a_clone_that_was_killed_is_the_same(simulator: None, tmp_path: Path) -> None:
    require_bit_exact(clone, tmp_path, kills=12)


@pytest.mark.slow
def test_groups_of_battles_that_were_killed_are_the_same(simulator: None, tmp_path: Path) -> None:
    save_policy(new_net(knowledge(REG_I), Size(**SMALL)), REG_I, tmp_path / "start")
    config = GroupConfig.parse(
        {
            "start": str(tmp_path / "start"),
            "foe": "random",
            "groups": 1,
            "group_size": 3,
            "roots": 2,
            "forks": 2,
            "turns": 200,
            **OFTEN,
        }
    )
    require_bit_exact(
        lambda folder: train_groups(config, "gigpo", folder), tmp_path / "runs", kills=8
    )


def test_a_population_loses_no_line_of_metrics(simulator: None, tmp_path: Path) -> None:
    """It is interrupted after its first player was finished, which no later checkpoint covers."""
    settings = {"checkpoint": {"seconds": 3600}}
    config = PopulationConfig.parse({**POPULATION, **settings})
    train_population(config, tmp_path / "whole")

    class EndedError(Exception):
        pass

    def ends(*_: object, **__: object) -> None:
        raise EndedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorgym.training.worlds.vgc.match_runner.MatchRunner.play", ends)
        with pytest.raises(EndedError):
            train_population(config, tmp_path / "cut")
    train_population(config, tmp_path / "cut", resume=True)
    lines = [
        [
            (line["player"], line["update"], line["loss"])
            for line in map(json.loads, (tmp_path / name / "metrics.jsonl").open())
        ]
        for name in ("whole", "cut")
    ]
    assert lines[0] == lines[1]
    assert [line[:2] for line in lines[0]] == [(f"player {p}", u) for p in (1, 2) for u in (1, 2)]
