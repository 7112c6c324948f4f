"""Runs that were killed end as if they had not been."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from killing import KILLED, Moments, in_a_child, left_by

from anchorgym.training import TrainConfig, train


def settings(**changes: dict[str, Any]) -> TrainConfig:
    """A job of a second: three pools of cloning with corrections, three iterations with a KL."""
    base: dict[str, Any] = {
        "env": {"id": "test/Errands-v0", "max_turns": 9},
        "policy": {"hidden": 32, "layers": 1, "heads": 2, "feed_forward": 32, "max_context": 256},
        "clone": {"updates": 40, "batch": 3, "learning_rate": 0.01},
        "algorithm": {"kl_coef": 0.01, "invalid_penalty": 0.1, "norm": "mean"},
        "rollout": {"iterations": 3, "tasks": 3, "group_size": 3, "max_turns": 6},
        "learner": {"learning_rate": 0.003, "minibatch": 4},
        "evaluation": {"every": 2},
        "checkpoint": {"seconds": 0},
    }
    base["policy"]["vocabulary_tasks"] = 4
    for section, values in changes.items():
        base[section] = {**base.get(section, {}), **values}
    return TrainConfig.parse(base)


def work(config: TrainConfig, folder: Path, kill_at: int = -1) -> int:
    """Begin or resume a run in a process of its own, which is killed at a moment."""

    def run() -> None:
        moments = Moments(kill_at).watch()
        train(config, folder, resume=True)
        (folder.parent / "moments").write_text(str(moments.count))

    return in_a_child(run)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """What a run leaves that was never interrupted, and how many moments it had."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(settings(), folder)  # here: the children find prepared what torch prepares once
    assert work(settings(), folder.with_name("watched")) == 0
    return left_by(folder), int((folder.parent / "moments").read_text())


def test_how_often_a_run_is_saved_does_not_change_it(
    whole: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    assert work(settings(checkpoint={"seconds": 3600}), tmp_path / "run") == 0
    left = left_by(tmp_path / "run")
    assert left == whole[0]


def kill_and_resume(folder: Path, kill_at: int, whole: dict[str, Any]) -> None:
    assert work(settings(), folder, kill_at) == KILLED
    assert work(settings(), folder) == 0
    assert left_by(folder) == whole, f"killed at moment {kill_at}"


@pytest.mark.parametrize("part", range(24))
def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(
    part: int, whole: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    left, moments = whole
    kill_at = random.Random(part).randrange(moments * part // 24, moments * (part + 1) // 24) + 1
    kill_and_resume(tmp_path / "run", kill_at, left)
