"""Modules are imported where the command line names them; those that files name, with --trust."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anchorgym.envs.plugins import UntrustedModuleError, load_object, only_named
from anchorgym.training.cli import main

WORLD = """
from pathlib import Path

from anchorgym.agents.policies.scripted import RandomPolicy
from anchorgym.envs import Outcome, TextEnv, register

Path("imported").touch()

class Player(RandomPolicy):
    pass

@register("me/Trusted-v0", max_turns=3)
class Trusted(TextEnv):
    def tasks(self, split=None):
        return ("one", "two", "three", "four")
    def start(self, task):
        self.at, self.goal = 0, "Walk."
        return "Here."
    def admissible_actions(self):
        return ("walk",)
    def act(self, action):
        self.at += 1
        return Outcome("There.", 1.0, True)
    def won(self):
        return self.at > 0
    def save(self):
        return self.at
    def load(self, state):
        self.at = state
"""
SHADOWS = ("torch", "json", "numpy", "gymnasium", "rich", "typing", "dataclasses", "pydantic")


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The id of an environment in a module of the current directory, by another name each time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    module = f"trusted_{request.node.name.translate({ord(c): '_' for c in '[]-. '})}"
    (tmp_path / f"{module}.py").write_text(WORLD)
    return f"{module}:me/Trusted-v0"


def record(name: str) -> None:
    header = {"format": 1, "env": name, "arguments": {}, "purpose": "play"}
    turn = {"observation": "Here.", "anchor": "", "response": "", "action": "walk", "reward": 1.0}
    episode = {
        **{"task": "one", "task_type": "", "seed": 0, "group": 0, "goal": "Walk.", "won": True},
        **{"stop": "terminated", "final_observation": "There."},
        "turns": [{**turn, "valid": True, "reason": ""}],
    }
    Path("own.jsonl").write_text(f"{json.dumps(header)}\n{json.dumps(episode)}\n")


def test_a_recording_imports_nothing_unless_it_is_trusted(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record(name)
    assert main(["replay", "own.jsonl", "--verify"]) == 2
    said = capsys.readouterr().err
    assert "--trust" in said
    assert name.partition(":")[0] in said
    assert not Path("imported").exists()
    assert main(["replay", "own.jsonl", "--verify", "--trust"]) == 1  # without its anchors
    assert Path("imported").exists()


SETTINGS = {
    "algorithm": '[algorithm]\nname = "{module}:Player"\n',
    "driver": '[driver]\nname = "{module}:Player"\n',
    "engine": '[engine]\nname = "{module}:Player"\n',
    "env": '[env]\nid = "{module}:me/Trusted-v0"\n',
    "learner": '[learner]\nname = "{module}:Player"\n',
    "policy": '[policy]\nname = "{module}:Player"\n',
    "strategy": '[rollout]\nstrategy = "{module}:Player"\n',
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_settings_file_imports_nothing_unless_it_is_trusted(
    name: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = name.partition(":")[0]
    Path("job.toml").write_text(SETTINGS[kind].format(module=module))
    words = ["train", "@job.toml", "--env", "anchorgym/ALFWorld-v0", "--dry-run"]
    assert main(words if kind != "env" else [words[0], words[1], words[4]]) == 2
    assert "--trust" in capsys.readouterr().err
    assert not Path("imported").exists()
    main([words[0], words[1], "--trust", "--dry-run"])
    assert Path("imported").exists()


def test_a_run_is_resumed_with_modules_of_ones_own_if_it_is_trusted(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from anchorgym.training.config.sections import TrainConfig

    Path("run").mkdir()
    Path("run/config.json").write_text(TrainConfig(env={"id": name}).model_dump_json())
    assert main(["train", "--resume", "run"]) == 2
    assert "--trust" in capsys.readouterr().err
    assert not Path("imported").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["check", "{id}"],
        ["evaluate", "random", "--env", "{id}", "--tasks", "1"],
        ["evaluate", "random", "--env={id}", "--tasks", "1"],
        ["evaluate", "{module}:Player", "--env.id", "{id}", "--tasks", "1"],
        ["envs", "{module}:"],
        ["train", "{id}", "--dry-run"],
    ],
)
def test_the_command_line_imports_what_it_names(name: str, words: list[str]) -> None:
    module = name.partition(":")[0]
    main([word.format(id=name, module=module) for word in words])
    assert Path("imported").exists()


def test_only_what_stands_before_a_colon_is_named() -> None:
    with only_named(["runs/subprocess", "subprocess", "x/antigravity:me", "@antigravity:x"]):
        for reference in ("subprocess:run", "antigravity:x", "os:system"):
            with pytest.raises(UntrustedModuleError):
                load_object(reference, "a policy")
    assert load_object("os:getcwd", "a function") is os.getcwd  # programs may import anything


@pytest.mark.parametrize("start", [["-m", "anchorgym.training.cli"], ["anchorgym"]])
def test_the_current_directory_hides_no_installed_module(tmp_path: Path, start: list[str]) -> None:
    for shadow in SHADOWS:
        (tmp_path / f"{shadow}.py").write_text("open('run_by_mistake', 'w')\n")
    (tmp_path / "own.py").write_text(WORLD.replace("me/Trusted-v0", "me/Own-v0"))
    first = [sys.executable, *start]
    if start == ["anchorgym"]:
        first = [str(Path(sys.executable).with_name("anchorgym"))]
    words = ["evaluate", "random", "--env", "own:me/Own-v0", "--tasks", "1", "--samples", "1"]
    done = subprocess.run([*first, *words], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, (tmp_path / "imported").exists()) == (0, True), done.stderr
    assert not (tmp_path / "run_by_mistake").exists()
