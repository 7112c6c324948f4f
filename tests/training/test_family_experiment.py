"""The script of the family's comparison, on a world of a second: it runs, resumes and counts."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from matplotlib.image import imread

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "experiments" / "family.py"
TINY: dict[str, Any] = {
    "env": {"id": "test/Errands-v0"},
    "policy": {"hidden": 16, "layers": 1, "heads": 2, "vocabulary_tasks": 4},
    "clone": {"updates": 6, "batch": 2, "corrections": 0},
    "rollout": {"iterations": 2, "tasks": 2, "group_size": 4, "max_turns": 5},
    "evaluation": {"validation_tasks": 2},
}


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("family", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "JOBS", {"reduced": TINY})
    monkeypatch.setattr(module, "WORLD", "test/Errands-v0")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "family.jsonl")
    return module


def test_what_is_missing_is_run_from_one_clone_and_put_into_a_table(
    family: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = ["grpo", "gigpo, fork"]
    words = ["family.py", "run", "--seeds", "3", "--runs", str(tmp_path / "runs"), "--only"]
    monkeypatch.setattr(sys, "argv", [*words, *ways[:1]])
    family.main()
    began = (tmp_path / "family.jsonl").read_text()
    monkeypatch.setattr(sys, "argv", [*words, *ways])
    family.main()
    lines = (tmp_path / "family.jsonl").read_text()
    assert lines.startswith(began)
    clone, one, other = map(json.loads, lines.splitlines())
    assert (clone["way"], one["way"], other["way"], one["seed"]) == ("clone", *ways, 3)
    assert clone["greedy"]["0"] == one["greedy"]["0"] == other["greedy"]["0"]
    assert sorted(one["greedy"]) == ["0", "1", "2"]
    assert one["turns"] >= other["turns"] > 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "reduced-clone-s3",
        "reduced-gigpo-fork-s3",
        "reduced-grpo-s3",
    ]
    table = family.table("reduced").splitlines()
    assert table[2].startswith("| clone | 1 | ")
    assert table[3].startswith("| grpo | 1 | ")
    assert table[4].startswith("| gigpo, fork | 1 | ")
    assert len({line.count("|") for line in table}) == 1
    family.draw("reduced", tmp_path / "family.png")
    assert imread(tmp_path / "family.png").std() > 0


def test_intervals_are_students(family: ModuleType) -> None:
    mean, width = family.interval([0.1, 0.2, 0.3, 0.4, 0.5])
    assert mean == pytest.approx(0.3)
    assert width == pytest.approx(2.776445 * 0.158114 / 5**0.5, rel=1e-5)


@pytest.mark.parametrize("job", ["reduced", "main"])
def test_every_way_is_a_job(job: str) -> None:
    spec = importlib.util.spec_from_file_location("family_as_it_is", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for way in module.WAYS.values():
        config = module.settings(job, 1, way, Path("clone"))
        assert config.evaluation.split == config.evaluation.validation_split == "valid_unseen"
        assert config.clone_updates == 0
    assert module.settings(job, 1, {}, None).rollout.iterations == 0
