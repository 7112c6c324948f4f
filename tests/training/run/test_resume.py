"""Runs that were killed end as if they had not been."""

from __future__ import annotations

import fcntl
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import chat_model
from killing import KILLED, Moments, in_a_child, left_by

from anchorgym.training import (
    ConfigError,
    RunBusyError,
    RunExistsError,
    RunFinishedError,
    TrainConfig,
    train,
)
from anchorgym.training.cli import main
from anchorgym.training.run.job import Job
from anchorgym.training.run.results import RESULT
from anchorgym.training.run.trainer import read_config


def settings(**changes: dict[str, Any]) -> TrainConfig:
    """A job of a second: three pools of cloning with corrections, three iterations with a KL."""
    base: dict[str, Any] = {
        "env": "test/Errands-v0",
        "policy": {"hidden": 32, "layers": 1, "heads": 2, "feed_forward": 32, "max_context": 256},
        "clone": {"updates": 40, "batch": 3, "learning_rate": 0.01},
        "algorithm": {"kl_coef": 0.01, "invalid_penalty": 0.1, "norm": "mean"},
        "rollout": {"iterations": 3, "tasks": 3, "group_size": 3, "max_turns": 6},
        "learner": {"learning_rate": 0.003, "minibatch": 4},
        "evaluation": {"every": 2, "modes": ["greedy", "sampled"]},
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
        begun = (folder / "config.json").exists()
        train(read_config(folder) if begun else config, folder, resume=True)
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


@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(
    seed: int, whole: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    rng, kills = random.Random(seed), []
    ends = KILLED
    # A run that is killed after its result was written is finished.
    while ends == KILLED and not (tmp_path / "run" / RESULT).exists():
        # Between two checkpoints there are about 60 moments, so half of the lives get further.
        kills.append(rng.randrange(1, 12 if len(kills) < 2 else 120))
        ends = work(settings(), tmp_path / "run", kills[-1])
        assert len(kills) < 60
    assert ends in (0, KILLED)
    assert len(kills) > 5
    assert left_by(tmp_path / "run") == whole[0], f"killed at moments {kills}"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(60))
def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(
    part: int, whole: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    left, moments = whole
    kill_at = random.Random(part).randrange(moments * part // 60, moments * (part + 1) // 60) + 1
    assert work(settings(), tmp_path / "run", kill_at) == KILLED
    assert work(settings(), tmp_path / "run") == 0
    assert left_by(tmp_path / "run") == left, f"killed at moment {kill_at}"


def test_a_run_is_not_resumed_with_other_settings(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert work(settings(), folder, kill_at=100) == KILLED
    other = settings(rollout={"tasks": 4}, algorithm={"gamma": 0.9})
    before = (folder / "metrics.jsonl").read_bytes()
    with pytest.raises(ConfigError, match=r"algorithm\.gamma was 0\.95, is 0\.9; rollout\.tasks "):
        train(other, folder, resume=True)
    with pytest.raises(RunExistsError, match="--resume"):
        train(settings(), folder)
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_a_finished_run_has_nothing_to_resume(tmp_path: Path) -> None:
    short = settings(clone={"updates": 0}, rollout={"iterations": 0})
    train(short, tmp_path / "run", resume=True)  # a folder without a run begins one
    with pytest.raises(RunFinishedError, match="nothing to resume"):
        train(short, tmp_path / "run", resume=True)


def test_a_run_is_worked_on_by_one_process_only(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert work(settings(), folder, kill_at=100) == KILLED
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(RunBusyError, match="another process"):
        train(settings(), folder, resume=True)
    os.close(handle)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resume", "nowhere"], "holds no run"),
        (["--resume", "{run}", "--seed", "3"], "leave out --seed"),
        (["--resume", "{run}", "--out", "other"], "leave out --out"),
        (["--resume", "{run}", "--engine", "http"], "leave out --engine"),
        (
            ["--resume", "{run}", "--engine.url", "http://127.0.0.1:1", "--engine.seeds", "false"],
            "leave out --engine.seeds,",
        ),
    ],
)
def test_mistakes_with_resume_are_named(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(run=tmp_path) for word in arguments]
    assert main(["train", *words]) == 2
    assert said in capsys.readouterr().err


def test_what_was_not_set_is_not_set_by_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chat model keeps the form of its prompts, even if a run is ended before it has begun."""
    job = settings(rollout={"iterations": 1}, clone={"updates": 0}, evaluation={"tasks": 1})
    values = job.model_dump(exclude_unset=True)
    values["policy"] = {"name": str(chat_model(tmp_path / "model")), "max_response": 7}
    config = TrainConfig.parse(values)

    def interrupted(job: Job) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Job, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run")
    run = train(read_config(tmp_path / "run"), tmp_path / "run", resume=True)
    prompt = run.policy.prompt_settings
    assert (prompt.form, prompt.shows_actions, prompt.max_response) == ("window", "all", 7)
    kept = json.loads((tmp_path / "run/config.json").read_text())
    assert kept["given"]["policy"] == values["policy"]
    assert kept["learner"]["epochs"] == 1
