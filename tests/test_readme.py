"""The README's code, run as a reader would run it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from forked import anchorgym, python

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
CORRIDOR = next(block for block in BLOCKS if "class Corridor" in block)
CORRIDOR_ID = "corridor:me/Corridor-v0"
HAGGLING = next(block for block in BLOCKS if "class Haggling" in block)
HAGGLING_ID = "haggling:me/Haggling-v0"
LONG = (CORRIDOR, HAGGLING)
FEWER = {
    "range(20)": "range(2)",
    "generations=3": "generations=1, iterations=2",
    "import CriticScorer,": "import CollectConfig, CriticConfig, CriticScorer,",
    "planner), kitchen.waiting": (
        "planner, config=CollectConfig(40)), kitchen.waiting, CriticConfig(updates=100)"
    ),
}
"""Sizes of the README's code that are smaller here."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    (folder / "corridor.py").write_text(CORRIDOR)
    (folder / "haggling.py").write_text(HAGGLING)
    return folder


@pytest.mark.parametrize("block", [b for b in BLOCKS if "train(" not in b and b not in LONG])
def test_code_blocks_run(folder: Path, block: str) -> None:
    for size, smaller in FEWER.items():
        block = block.replace(size, smaller)
    done = python(folder, block)
    assert done.returncode == 0, done.stderr


def test_what_is_made_smaller_is_there() -> None:
    assert [size for size in FEWER if not any(size in block for block in BLOCKS)] == []


@pytest.mark.parametrize(
    ("source", "name"), [(CORRIDOR, CORRIDOR_ID), (HAGGLING, HAGGLING_ID)], ids=["one", "several"]
)
def test_the_example_environments_are_sound(folder: Path, source: str, name: str) -> None:
    assert len([line for line in source.splitlines() if line.strip()]) <= 36
    done = anchorgym(folder, "check", name, "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["ok"] is True


def test_the_example_of_self_play_is_played_and_resumed(folder: Path) -> None:
    flags = ("--league.zero-sum", "false", "--league.bounds", "[0, 1]", "--payoff-games", "16")
    size = ("--generations", "1", "--iterations", "2", "--tasks", "2", "--out", "play")
    done = anchorgym(folder, "selfplay", HAGGLING_ID, *flags, *size)
    assert done.returncode == 0, done.stderr
    assert "player 1" in done.stdout
    assert (folder / "play/players/player-1/table.json").exists()
    assert "finished" in anchorgym(folder, "selfplay", "--resume", "play").stdout


def test_the_example_environment_is_trained(folder: Path) -> None:
    done = anchorgym(
        folder,
        *("train", "--env", CORRIDOR_ID, "--out", "run", "--rollout.iterations", "6"),
        *("--clone.updates", "240", "--policy.vocabulary-tasks", "12", "--policy.hidden", "32"),
        *("--policy.layers", "1", "--rollout.tasks", "6", "--learner.learning-rate", "4e-3"),
        *("--evaluation.modes", '["greedy", "sampled"]'),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "run/result.json").read_text())
    before, after = result["before"], result["after"]
    assert after["greedy"]["success"]["mean"] == 1.0
    assert after["sampled"]["turns"] < before["sampled"]["turns"]
