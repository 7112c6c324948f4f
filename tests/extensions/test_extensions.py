"""The table of CONTRIBUTING, row by row: what a user adds from a module outside the package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from anchorgym.training.cli import main
from anchorgym.training.worlds import registry

OWN = Path(__file__).with_name("own.py")
SMALL = [
    *("--policy.hidden", "16", "--policy.layers", "1", "--policy.heads", "1"),
    *("--policy.feed-forward", "16", "--policy.vocabulary-tasks", "2", "--clone.updates", "2"),
    *("--rollout.iterations", "1", "--rollout.tasks", "2", "--rollout.group-size", "2"),
    *("--evaluation.tasks", "2", "--out", "run"),
]

Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the user works in; their module can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(OWN.parent))
    return tmp_path


@pytest.fixture
def anchorgym(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in the user's folder and returns what it printed."""

    def run(*words: str, status: int = 0) -> str:
        found = main(words)
        printed = capsys.readouterr()
        assert found == status, printed.out + printed.err
        return printed.out + printed.err

    return run


def train(anchorgym: Run, *words: str) -> dict[str, Any]:
    """Train on the user's corridor; return the last line of metrics about training."""
    anchorgym("train", "--env", "own:me/Corridor-v0", *SMALL, *words)
    return metrics(Path("run"), "train")[-1]


def metrics(run: Path, phase: str) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["phase"] == phase]


def notes(path: Path) -> Sequence[str]:
    return path.read_text().splitlines()


def test_an_environment(anchorgym: Run, home: Path) -> None:
    assert "passed" in anchorgym("check", "own:me/Corridor-v0")
    trained = train(anchorgym)
    assert trained["iteration"] == 1


def test_a_world_of_several_agents(anchorgym: Run, home: Path) -> None:
    assert "passed" in anchorgym("check", "own:me/Pennies-v0")
    small = "--generations 1 --iterations 1 --tasks 1 --group-size 2 --payoff-games 2 --out run"
    anchorgym("selfplay", "own:me/Pennies-v0", *small.split())
    assert [line["number"] for line in metrics(home / "run", "generation")] == [1]


def test_an_algorithm(anchorgym: Run, home: Path) -> None:
    train(anchorgym, "--algorithm", "own:Scores", "--algorithm.factor", "3")
    (recorded,) = (home / "run" / "episodes").glob("train-*.jsonl")
    episodes = [json.loads(line) for line in notes(recorded)[1:]]
    assert episodes
    for episode in episodes:
        score = sum(turn["reward"] for turn in episode["turns"])
        assert {turn["advantage"] for turn in episode["turns"]} == {3 * score}


def test_an_engine(anchorgym: Run, home: Path) -> None:
    train(anchorgym, "--engine", "own:CountingEngines", "--engine.max-batch", "2")
    turns = sum(len(episode["turns"]) for episode in _played(home / "run"))
    assert len(notes(home / "requests.txt")) >= turns > 0
    refused = anchorgym(
        "train",
        *("--env", "own:me/Corridor-v0", "--engine", "own:CountingEngines"),
        *("--policy.constrained", "true", "--out", "other"),
        status=2,
    )
    assert "constrained_decoding" in refused
    assert not (home / "other").exists()


def test_a_driver(anchorgym: Run, home: Path) -> None:
    train(anchorgym, "--driver", "own:OneByOne", "--driver.note", "order.txt")
    tasks = set(notes(home / "order.txt"))
    assert tasks == {"room 0", "room 1", "room 3", "room 4"}  # trained on and measured


def test_a_learner(anchorgym: Run, home: Path) -> None:
    trained = train(anchorgym, "--learner.name", "own:NotingLearner", "--algorithm", "own:Always")
    assert trained["long_rows"] == trained["rows"] > 0


def test_a_rollout_strategy(anchorgym: Run, home: Path) -> None:
    train(anchorgym, "--rollout.strategy", "own:Pairs", "--rollout.group-size", "5")
    groups = [episode["group"] for episode in _recorded(home / "run")]
    assert sorted(groups) == [0, 0, 1, 1]


def test_a_loader_of_policies(anchorgym: Run, home: Path) -> None:
    words = ("--env", "own:me/Corridor-v0", "--panel", "test", "--json")
    figures = json.loads(anchorgym("evaluate", "own:Walker", *words).partition("\n")[0])
    (walker,) = figures["policies"]
    assert (walker["name"], walker["greedy"]["success"]["mean"]) == ("own:Walker", 1)
    assert "success" in anchorgym("evaluate", "own:stroller", *words[:4])


def test_commands_of_a_world(anchorgym: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(home))
    about = home / "corridors-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: corridors\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[anchorgym.worlds]\ncorridor = own:WORLD\n")
    registry.worlds.cache_clear()
    try:
        assert "corridor greet" in anchorgym("--help")
        assert anchorgym("corridor", "greet", "Ada") == "hello, Ada\n"
    finally:
        registry.worlds.cache_clear()


def test_a_module_is_found_in_the_current_directory_by_the_installed_command(
    tmp_path: Path,
) -> None:
    shutil.copy(OWN, tmp_path)
    command = [Path(sys.executable).with_name("anchorgym"), "check", "own:me/Corridor-v0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "passed" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--algorithm", "own:Skores"), "Did you mean 'Scores'?"),
        (("--engine", "owm:CountingEngines"), "no module 'owm'"),
        (("--driver", "own:Driver"), "defines no 'Driver'"),
        (("--learner.name", "own:NotingLerner"), "Did you mean 'NotingLearner'?"),
        (("--rollout.strategy", "own:Pair"), "Did you mean 'Pairs'?"),
        (("--policy", "own:Wanderer"), "defines no 'Wanderer'"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_line_and_writes_nothing(
    anchorgym: Run, home: Path, words: tuple[str, ...], said: str
) -> None:
    told = anchorgym("train", "--env", "own:me/Corridor-v0", *SMALL, *words, status=2)
    assert said in told
    assert "Traceback" not in told
    assert not (home / "run").exists()


def _played(run: Path) -> list[dict[str, Any]]:
    files = (run / "episodes").glob("*.jsonl")
    return [json.loads(line) for path in files for line in notes(path)[1:]]


def _recorded(run: Path) -> list[dict[str, Any]]:
    (path,) = (run / "episodes").glob("train-*.jsonl")
    return [json.loads(line) for line in notes(path)[1:]]
