"""Worlds and plug-ins that do what no world should: one line says so, and nothing is obeyed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anchorgym.agents import RandomPolicy
from anchorgym.envs import Outcome, TextEnv, register
from anchorgym.envs.errors import ContractError
from anchorgym.training import EnvPool, evaluate
from anchorgym.training.cli import main

HOSTILE = "x \ud800 [/red] \x1b[31m \u202e :dog: $\\frac $ \u2028"


class Walk(TextEnv):
    """Walk to the end."""

    def tasks(self, split: str | None = None) -> tuple[str, ...]:
        return ("2", "3", "4", "5")

    def start(self, task: str) -> str:
        self.at, self.end, self.goal = 0, int(task[0]), "Walk."
        return "Here."

    def admissible_actions(self) -> tuple[str, ...]:
        return ("walk",)

    def act(self, action: str) -> Outcome:
        if action != "walk":
            return Outcome("Nothing.", reason="no way")
        self.at += 1
        return Outcome("There.", float(self.won()), self.won())

    def won(self) -> bool:
        return self.at >= self.end

    def save(self) -> Any:
        return self.at

    def load(self, state: Any) -> None:
        self.at = state

    def expert_action(self, kind: str = "honest") -> str:
        return "walk"


class Quits(BaseException):
    """An exception that `except Exception` does not catch."""


def ends(error: BaseException) -> type[TextEnv]:
    class Ends(Walk):
        def act(self, action: str) -> Outcome:
            raise error

    return Ends


class Hostile(Walk):
    """Every text that it gives holds what kills or commands its reader."""

    def tasks(self, split: str | None = None) -> tuple[str, ...]:
        return tuple(f"{task} {HOSTILE}" for task in super().tasks())

    def start(self, task: str) -> str:
        seen = super().start(task)
        self.goal += HOSTILE
        return seen + HOSTILE

    def admissible_actions(self) -> tuple[str, ...]:
        return ("walk", f"go {HOSTILE}")

    def act(self, action: str) -> Outcome:
        outcome = super().act(action)
        reason = outcome.reason and outcome.reason + HOSTILE
        return outcome._replace(observation=outcome.observation + HOSTILE, reason=reason)

    def task_type(self, task: str) -> str:
        return HOSTILE + task[0]


class SeesNumbers(Walk):
    def act(self, action: str) -> Any:
        return super().act(action)._replace(observation=7)  # type: ignore[arg-type]


register("hostile/Exits-v0", max_turns=4)(ends(SystemExit(0)))
register("hostile/Quits-v0", max_turns=4)(ends(Quits("now")))
register("hostile/Texts-v0", max_turns=4)(Hostile)
register("hostile/Numbers-v0", max_turns=4)(SeesNumbers)
register("hostile/Walk-v0", max_turns=4)(Walk)

SMALL = (
    *("--rollout.iterations", "0", "--clone.updates", "1", "--policy.hidden", "16"),
    *("--policy.vocabulary-tasks", "2", "--evaluation.tasks", "1", "--quiet"),
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("env", ["hostile/Exits-v0", "hostile/Quits-v0"])
@pytest.mark.parametrize(
    "words",
    [
        ["check", "{}"],
        ["evaluate", "random", "--env", "{}"],
        ["play", "{}", "--policy", "random", "--auto", "0"],
        ["train", "{}", "--out", "run", *SMALL],
    ],
    ids=lambda words: words[0],
)
def test_no_exception_of_a_world_ends_a_command_as_a_success(
    words: list[str], env: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([word.format(env) for word in words])
    said = capsys.readouterr()
    assert status == (1 if words[0] == "check" else 2)
    assert ("SystemExit" if "Exits" in env else "Quits") in said.out + said.err


def test_an_observation_that_is_no_string_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "hostile/Numbers-v0"]) == 1
    assert "the observation 7 is outside" in capsys.readouterr().out
    assert main(["train", "hostile/Numbers-v0", "--out", "run", *SMALL]) == 2
    assert "SeesNumbers gave 7 (int) as observation" in capsys.readouterr().err
    with pytest.raises(ContractError, match="must be a string"):
        evaluate(RandomPolicy(0), EnvPool.of("hostile/Numbers-v0"), split="train")


def test_hostile_text_is_evaluated_recorded_replayed_and_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    env = "hostile/Texts-v0"
    assert main(["evaluate", "random", "--env", env, "--samples", "2", "--out", "found"]) == 0
    assert main(["evaluate", "expert", "--env", env, "--against", "random", "--samples", "1"]) == 0
    assert main(["replay", "found/episodes.jsonl", "--verify"]) == 0
    assert main(["replay", "found/episodes.jsonl", "--episode", "1"]) == 0
    assert main(["play", env, "--policy", "random", "--auto", "0", "--record", "own.jsonl"]) == 0
    assert main(["envs", env]) == 0
    Path("run/episodes").mkdir(parents=True)
    Path("found/episodes.jsonl").rename("run/episodes/before-greedy.jsonl")
    assert main(["view", "run"]) == 0
    said = "".join(capsys.readouterr())
    assert not set("\x1b\u202e\ud800") & set(said)
    assert "[/red]" in said
    assert ":dog:" in said
    page = Path("run/view.html").read_text(encoding="utf-8")
    assert "[/red]" in page
    for line in Path("own.jsonl").read_text(encoding="utf-8").strip().split("\n"):
        json.loads(line)


@pytest.mark.pictures
def test_hostile_tasks_and_observations_kill_no_training() -> None:
    class Trainable(Hostile):
        def admissible_actions(self) -> tuple[str, ...]:
            return ("walk",)

    register("hostile/Trainable-v0", max_turns=4)(Trainable)
    assert main(["train", "hostile/Trainable-v0", "--out", "run", *SMALL]) == 0
    assert (Path("run") / "curve.png").exists()
    assert main(["view", "run"]) == 0


def test_figures_of_training_tasks_are_named_so_and_warned_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["evaluate", "expert", "--env", "hostile/Walk-v0", "--mode", "greedy"]
    assert main([*words, "--out", "found"]) == 0
    said = capsys.readouterr()
    assert "train (training tasks)" in said.out
    assert "warning: train holds training tasks" in said.err
    found = json.loads(Path("found/evaluation.json").read_text())
    assert found["training_tasks"] is True
    assert found["policies"][0]["greedy"]["training_tasks"] is True
    assert main(["train", "hostile/Walk-v0", "--out", "run", *SMALL[:-1]]) == 0
    said = capsys.readouterr()
    assert "success is measured on train, the training tasks" in " ".join(said.out.split())
    assert "before     train (training tasks)" in said.out
    assert "rewards" in said.out
    before = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    record = next(record for record in before if record["phase"] == "before")
    assert record["training_tasks"] is True
    assert 0 <= record["returns"] <= 1
    assert json.loads(Path("run/result.json").read_text())["before"]["greedy"]["training_tasks"]


PLUGINS = """
import numpy as np
from dataclasses import dataclass
from anchorgym.agents.engines.factories import find_engine
from anchorgym.gigpo.algorithms.grpo import GRPO

@dataclass(frozen=True, kw_only=True)
class Short(GRPO):
    def advantages(self, batch, state=None):
        return np.zeros(1)

class Empty:
    forks = False
    def __init__(self, *, config, algorithm, state, limit):
        pass
    def play(self, tasks, first, rng, play):
        return [[] for _ in tasks]

class Silent(find_engine("torch")):
    def make(self, served):
        engine = super().make(served)
        engine.poll = lambda *args, **more: None
        return engine

class Bare:
    def make(self, served):
        return None

class Idle:
    pass

def nothing(policy, algorithm, config, temperature=1.0):
    return None

class Closed:
    engine, max_response = None, 1
    def __init__(self, seed=0):
        pass
    def open(self, env, agent="agent"):
        return None
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--algorithm", "{}:Short"], "advantages() of {}:Short gave"),
        (["--rollout.strategy", "{}:Empty"], "play() of {}:Empty gave [[], []]"),
        (["--engine", "{}:Silent"], "poll() of"),
        (["--engine", "{}:Bare"], "{}:Bare' made a Bare, which is not an engine factory"),
        (["--driver", "{}:Idle"], "{}:Idle' made a Idle, which is not a driver"),
        (["--learner.name", "{}:nothing"], "{}:nothing' made a NoneType, which is not a learner"),
        (["evaluate", "{}:Closed"], "open() of {}:Closed gave None"),
    ],
)
def test_a_plug_in_that_gives_nonsense_is_named(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile_plugins.py").write_text(PLUGINS)
    words = [word.format("hostile_plugins") for word in words]
    size = ["--rollout.iterations", "1", "--rollout.tasks", "2", "--rollout.group-size", "2"]
    given = [*words, "--env", "hostile/Walk-v0"]
    if words[0] != "evaluate":
        given = ["train", *given, "--out", "run", *SMALL[2:], *size, "--clone.corrections", "0"]
    assert main(given) == 2
    assert said.format("hostile_plugins") in capsys.readouterr().err
