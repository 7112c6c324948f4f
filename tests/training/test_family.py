"""Every algorithm trains: on ALFWorld, at the smallest scale, through the command line."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from anchorgym.gigpo import algorithm_names, make_algorithm
from anchorgym.training import TrainConfig, train
from anchorgym.training.cli import main
from anchorgym.training.config.sections import AlgorithmConfig
from anchorgym.training.run.iterations import Iterations

ALF = "anchorgym/ALFWorld-v0"
JOB: dict[str, Any] = {
    "env": {"id": ALF, "max_turns": 5},
    "rollout": {"iterations": 1, "tasks": 2, "group_size": 4, "max_turns": 4, "redraws": 1},
    "learner": {"learning_rate": 1e-3, "minibatch": 4},
    "evaluation": {"tasks": 1, "validation_tasks": 1},
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy after some updates of cloning: a third of what it does is possible."""
    config = TrainConfig.parse(
        {
            **JOB,
            "policy": {"hidden": 32, "layers": 1, "heads": 2, "vocabulary_tasks": 20},
            "clone": {"updates": 30, "batch": 4, "learning_rate": 0.01, "corrections": 0},
            "rollout": {"iterations": 0},
        }
    )
    return train(config, tmp_path_factory.mktemp("clone") / "run").folder / "policy"


def flags(clone: Path, **settings: object) -> list[str]:
    """The job as flags of the command line."""
    given = {f"{section}.{key}": v for section, of in JOB.items() for key, v in of.items()}
    given |= {"policy.name": str(clone), "clone.updates": 0, **settings}
    return [f"--{key}={value}" for key, value in given.items()]


@pytest.mark.parametrize("name", algorithm_names())
def test_no_option_bears_the_name_of_a_setting_of_all(name: str) -> None:
    own = {field.name for field in fields(type(make_algorithm(name)))}
    assert not own & (AlgorithmConfig.model_fields.keys() - {"kl_coef"})


@pytest.mark.parametrize("name", algorithm_names())
def test_every_algorithm_trains(name: str, clone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    # Nobody wins a task this short: errors are what episodes differ by.
    penalty = {"algorithm.invalid_penalty": 0.1}
    words = ["train", "--quiet", "--out", str(out), "--algorithm", name, *flags(clone, **penalty)]
    assert main(words) == 0
    records = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    (step,) = [record for record in records if record["phase"] == "train"]
    assert step["episodes"] >= 8
    if name not in {"dapo", "drpo"}:  # that ask who won; see test_family_learner.py
        assert step["steps"] > 0
        assert abs(step["loss"]) < 1e6
        assert step["grad_norm"] > 0


def test_groups_that_are_dropped_are_drawn_anew_and_counted(clone: Path, tmp_path: Path) -> None:
    # Nobody wins within four turns: DAPO has nothing to keep, and gives up after two redraws.
    out = tmp_path / "run"
    words = ["--out", str(out), "--algorithm", "dapo", *flags(clone), "--rollout.redraws=2"]
    assert main(["train", "--quiet", *words]) == 0
    records = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    (step,) = [record for record in records if record["phase"] == "train"]
    assert (step["redraws"], step["episodes"], step["dropped_groups"]) == (2, 3 * 8, 6)
    assert step["dropped_turns"] == step["turns"] * step["episodes"]
    assert step["rows"] == 0


def test_states_of_groups_that_are_dropped_were_visited(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited = []
    take = Iterations.take

    def watched(self: Iterations, iteration: int) -> dict[str, Any]:
        measured = take(self, iteration)
        assert measured["dropped_groups"] > 0
        visited.append((sum(self._visits.values()), measured["environment_turns"]))
        return measured

    monkeypatch.setattr(Iterations, "take", watched)
    explored = flags(clone, **{"algorithm.exploration": "global"})
    words = ["--out", str(tmp_path / "run"), "--algorithm", "dapo", *explored]
    assert main(["train", "--quiet", *words]) == 0
    ((visits, turns),) = visited
    assert visits == turns > 0


def test_every_algorithm_is_listed_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["algorithms"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in algorithm_names():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert line.endswith(".")
        assert len(line) > len(name) + 20
