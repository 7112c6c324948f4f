"""What is measured is never learnt from, and what is chosen by is not what is reported."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from safetensors.torch import load_file

from anchorgym.envs import TextEnv, make, register, sub_panel
from anchorgym.envs.alfworld.env import ALFWorldEnv
from anchorgym.training import Evaluation, Run, TrainConfig, train
from anchorgym.training.run import job
from anchorgym.training.run.components import assemble

ALF = "anchorgym/ALFWorld-v0"
SMALL = {"hidden": 16, "layers": 1, "heads": 2, "feed_forward": 16}


@register("test/SeenALFWorld-v0", max_turns=6)
class SeenALFWorld(ALFWorldEnv):
    """Games without the split of unseen scenes, as some copies of the official data are."""

    def tasks(self, split: str | None = None) -> Any:
        return () if split == "valid_unseen" else super().tasks(split)


@register("test/FewALFWorld-v0", max_turns=6)
class FewALFWorld(SeenALFWorld):
    """Three games to train on."""

    def tasks(self, split: str | None = None) -> Any:
        return super().tasks(split)[:3]


def settings(env: str, **changes: dict[str, Any]) -> TrainConfig:
    base: dict[str, Any] = {
        "env": {"id": env, "max_turns": 6},
        "policy": {**SMALL, "vocabulary_tasks": 12},
        "clone": {"updates": 17, "batch": 3, "corrections_from": 0.5},
        "rollout": {"iterations": 2, "tasks": 12, "group_size": 2},
        "evaluation": {"every": 1, "tasks": 5, "validation_tasks": 8},
    }
    for section, values in changes.items():
        base[section] = {**base.get(section, {}), **values}
    return TrainConfig.parse(base)


def started(
    config: TrainConfig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, set[str]]:
    """Run a job; return the tasks that were started to learn, and to measure on each split."""
    tasks: dict[str, set[str]] = defaultdict(set)
    doing = ["learn"]
    reset, evaluate = TextEnv.reset, job.evaluate

    def watched_reset(env: TextEnv, **named: Any) -> Any:
        found = reset(env, **named)
        tasks[doing[-1]].add(env.task)
        return found

    def watched_evaluate(*arguments: Any, **named: Any) -> Evaluation:
        doing.append(named["split"])
        found = evaluate(*arguments, **named)
        doing.pop()
        return found

    monkeypatch.setattr(TextEnv, "reset", watched_reset)
    monkeypatch.setattr(job, "evaluate", watched_evaluate)
    train(config, folder)
    return tasks


@pytest.mark.parametrize("env", ["test/Errands-v0", "test/SeenErrands-v0", "test/SeenALFWorld-v0"])
def test_no_task_that_is_measured_is_ever_started_to_learn(
    env: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(env)
    tasks = started(config, tmp_path / "run", monkeypatch)
    panels = assemble(config).panels
    measured = tasks[panels.test] | tasks[panels.validation]
    assert tasks["learn"]
    assert tasks["learn"] <= set(panels.train)
    assert not tasks["learn"] & measured
    assert len(tasks[panels.validation]) == panels.validation_tasks > 0
    assert not tasks[panels.test] & tasks[panels.validation]


def test_no_scene_of_the_unseen_games_is_ever_entered_to_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = started(settings(ALF), tmp_path / "run", monkeypatch)
    assert len(tasks["learn"]) > 40
    assert tasks["valid_unseen"]
    assert not _scenes(tasks["learn"]) & _scenes(make(ALF).tasks("valid_unseen"))


def _scenes(tasks: Any) -> set[str]:
    return {task.rpartition("-")[2].partition("/")[0] for task in tasks}


def test_a_world_with_one_held_out_split_is_validated_on_a_part_of_the_train_split() -> None:
    panels = assemble(settings("test/SeenErrands-v0")).panels
    every = make("test/SeenErrands-v0").tasks("train")
    assert (panels.test, panels.validation, panels.chooses) == ("valid_seen", "train", True)
    held_out = set(sub_panel(every, panels.validation_tasks))
    assert len(held_out) == len(every) // 4
    assert set(panels.train) == set(every) - held_out


def test_where_nothing_is_held_out_nothing_is_chosen() -> None:
    panels = assemble(settings("test/Rooms-v0")).panels
    assert (panels.test, panels.validation, panels.chooses) == ("train", "train", False)
    assert len(panels.train) == 6
    same = {"split": "valid_seen", "validation_split": "valid_seen"}
    assert not assemble(settings("test/Errands-v0", evaluation=same)).panels.chooses


def test_too_few_tasks_are_all_trained_on() -> None:
    panels = assemble(settings("test/FewALFWorld-v0")).panels
    assert (panels.test, panels.validation, panels.chooses) == ("valid_seen", "train", False)
    assert len(panels.train) == panels.validation_tasks == 3


def finished(
    folder: Path, successes: list[float], monkeypatch: pytest.MonkeyPatch, iterations: int = 3
) -> Run:
    """Run a job whose curve is said to be this."""
    curve, evaluate = iter(successes), job.evaluate

    def scripted(*arguments: Any, **named: Any) -> Evaluation:
        found = evaluate(*arguments, **named)
        if named["split"] != "valid_seen":
            return found
        return replace(found, success=replace(found.success, mean=next(curve)))

    config = settings(
        "test/Errands-v0",
        policy={"hidden": 32, "feed_forward": 32},
        clone={"updates": 40, "learning_rate": 0.01},
        algorithm={"invalid_penalty": 0.1, "norm": "mean"},
        rollout={"iterations": iterations, "tasks": 4, "group_size": 4},
    )
    with monkeypatch.context() as patch:
        patch.setattr(job, "evaluate", scripted)
        return train(config, folder)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_the_policy_of_a_run_is_the_best_of_its_curve_the_later_of_equals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(tmp_path / "run", [0.2, 0.5, 0.5, 0.1], monkeypatch)
    shorter = finished(tmp_path / "shorter", [0.2, 0.5, 0.5], monkeypatch, iterations=2)
    assert (run.iteration, shorter.iteration) == (2, 2)
    assert weights(tmp_path / "run/policy") == weights(tmp_path / "shorter/policy")
    assert weights(tmp_path / "run/policy") != weights(tmp_path / "run/last")
    assert not (tmp_path / "shorter/last").exists()
    assert run.after == shorter.after
    assert json.loads((tmp_path / "run/result.json").read_text())["iteration"] == 2
    held = dict(run.policy.model.named_parameters())
    saved = load_file(tmp_path / "run/policy/model.safetensors")
    assert all((held[name] == tensor).all() for name, tensor in saved.items() if name in held)


def test_a_policy_that_reinforcement_made_worse_is_the_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(tmp_path / "run", [0.5, 0.4, 0.3, 0.2], monkeypatch)
    assert run.iteration == 0
    assert weights(run.folder / "policy") == weights(run.folder / "clone")
    assert run.after == run.before
    assert weights(run.folder / "last") != weights(run.folder / "clone")
