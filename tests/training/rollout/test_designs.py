"""Whole jobs with designed groups and bonuses: what they leave, and leave after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from killing import in_a_child, left_by
from matplotlib.image import imread

from anchorgym.training import TrainConfig, train
from anchorgym.training.cli import main
from anchorgym.training.inspect.plotting.anchors import read_anchors
from anchorgym.training.inspect.viewing import read_run
from anchorgym.training.run.iterations import Iterations

DESIGNS: dict[str, dict[str, Any]] = {
    "fork": {"rollout": {"strategy": "fork", "roots": 3}},
    "tree": {
        "algorithm": {"name": "spo", "mode": "tree", "invalid_penalty": 0.1},
        "rollout": {"strategy": "tree", "branching": [2, 2, 2]},
    },
    "hints and novelty": {
        "algorithm": {"name": "grpo", "exploration": "product"},
        "rollout": {"strategy": "adaptive", "hints": "corrected"},
    },
}


def job(design: str) -> TrainConfig:
    base: dict[str, Any] = {
        "env": "test/Errands-v0",
        "policy": {"hidden": 32, "layers": 1, "heads": 2, "vocabulary_tasks": 4},
        "clone": {"updates": 12, "batch": 2, "learning_rate": 0.01, "corrections": 0},
        "algorithm": {"name": "gigpo", "invalid_penalty": 0.1},
        "rollout": {"iterations": 2, "tasks": 2, "group_size": 6, "max_turns": 6},
        "evaluation": {"every": 2, "tasks": 1, "validation_tasks": 1},
        "checkpoint": {"seconds": 0},
    }
    for section, values in DESIGNS[design].items():
        base[section] = {**base[section], **values}
    return TrainConfig.parse(base)


@pytest.mark.pictures
@pytest.mark.parametrize("design", DESIGNS)
def test_a_designed_job_that_is_killed_ends_as_if_it_had_not_been(
    design: str, tmp_path: Path
) -> None:
    def interrupted() -> None:
        take = Iterations.take

        def until_second(self: Iterations, iteration: int) -> dict[str, Any]:
            if iteration == 2:
                raise SystemExit(9)
            return take(self, iteration)

        Iterations.take = until_second  # type: ignore[method-assign]
        train(job(design), tmp_path / "cut")

    whole = train(job(design), tmp_path / "whole").folder
    assert in_a_child(interrupted) != 0
    train(job(design), tmp_path / "cut", resume=True)
    assert left_by(tmp_path / "cut") == left_by(whole)
    looked_at(whole, design)


def looked_at(run: Path, design: str) -> None:
    """What the run has logged, recorded and drawn."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    steps = [record for record in records if record["phase"] == "train"]
    for step in steps:
        roots = step["episodes"] - step["forks"] - step["hinted"]
        assert roots == {"fork": 6, "tree": 4}.get(design, 12)
        assert (step["forks"] > 0) == (design != "hints and novelty")
        lacking = 12 - roots
        assert step["fork_turns"] <= round(lacking * step["turns"])
        assert step["environment_turns"] >= roots * step["turns"] + step["fork_turns"] - 1e-6
        assert step["generated_tokens"] > 0
    report = read_anchors(run)
    assert report is not None
    assert report.turns == sum(step["environment_turns"] for step in steps)
    assert imread(run / "anchors.png").std() > 0
    assert main(["replay", str(run), "--verify"]) == 0
    shown = [e for f in read_run(run)["files"] for g in f["groups"] for e in g["episodes"]]
    assert any(episode["first"] for episode in shown) == (design != "hints and novelty")
