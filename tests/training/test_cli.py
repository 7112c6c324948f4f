"""The command line as a user meets it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
import worlds  # noqa: F401  (registers the test worlds)

from anchorgym.gigpo import find_algorithm
from anchorgym.training import TrainConfig
from anchorgym.training.cli import main
from anchorgym.training.config.sections import CLONE_UPDATES
from anchorgym.training.run.components import assemble, completed


def test_check_passes_a_sound_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "test/KeyDoor-v0"]) == 0
    assert "all checks passed" in capsys.readouterr().out


def test_check_fails_a_faulty_environment_and_says_so_in_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_faulty_world.py").write_text(
        "import worlds\n"
        "from anchorgym.envs import register\n"
        "@register('me/Counting-v0')\n"
        "class Counting(worlds.KeyDoor):\n"
        "    def anchor(self):\n"
        "        return bytes([self.turn])\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check", "my_faulty_world:me/Counting-v0", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    failed = [result for result in report["checks"] if result["status"] == "failed"]
    assert [result["name"] for result in failed] == ["anchor_scope"]
    assert failed[0]["findings"][0]["remedy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "anchorgym/ALFWord-v0"], "Did you mean 'anchorgym/ALFWorld-v0'"),
        (["check", "no_such_module:me/World-v0"], "no_such_module"),
        (["evaluate", "nowhere"], "holds no policy"),
        (["train", "--rollout.iterations", "-1"], "rollout.iterations"),
        (["train", "--rollout.itertions", "1"], "rollout.itertions"),
        (["train", "--rollout.iterations"], "needs a value"),
        (["train", "--algorithm", "gigppo"], "Did you mean 'gigpo'"),
        (["train", "--algorithm.step-wieght", "1"], "algorithm.step_wieght"),
        (["train", "--algorithm.step-wieght", "1"], "Did you mean 'step_weight'"),
        (["train", "--algorithm.step-weight", "-1"], "algorithm.step_weight"),
        (["train", "--algorithm.kl", "k4"], "algorithm.kl"),
        (["train", "--learner.schedule", "cosin"], "learner.schedule"),
        (["train", "--env.dta", "x"], "dta"),
        (["train", "--env.data", "/nowhere"], "/nowhere"),
        (["train", "@missing.toml"], "missing.toml"),
        (["train", "--policy", "nowhere"], "holds no policy"),
        (["train", "--env", "test/Guess-v0"], "neither an honest expert nor admissible actions"),
        (["train", "--env.split", "trian"], "Did you mean 'train'"),
        (["train", "--evaluation.split", "tset"], "unknown split"),
        (["train", "--learner.learning-rate", "Infinity"], "learner.learning_rate"),
        (["train", "--policy.kv-heads", "3"], "kv_heads must divide heads"),
    ],
)
def test_mistakes_get_one_clear_line(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert not list(tmp_path.glob("runs/*")), "a run that cannot start leaves nothing behind"


def test_settings_come_from_toml_and_flags_the_last_winning(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "job.toml"
    file.write_text(
        'env = "anchorgym/ALFWorld-v0"\nseed = 3\n[rollout]\niterations = 7\n'
        '[algorithm]\nname = "gigpo"\nstep_weight = 0.5\n'
    )
    assert main(["train", f"@{file}", "--rollout.iterations=9", "--dry-run"]) == 0
    settings = json.loads(capsys.readouterr().out)
    assert settings["seed"] == 3
    assert settings["rollout"]["iterations"] == 9
    assert settings["algorithm"]["step_weight"] == 0.5


def test_a_dry_run_prints_every_setting_and_what_it_prints_is_a_job(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--algorithm.kl-coef", "0.5", "--algorithm.kl=k1", "--algorithm.reward-scale=10"]
    assert main(["train", "--env", "test/Errands-v0", "--dry-run", *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    options = {field.name for field in fields(find_algorithm("gigpo"))}
    assert options < printed["algorithm"].keys()
    assert printed["algorithm"]["gamma"] == 0.95
    assert (printed["algorithm"]["kl"], printed["algorithm"]["reward_scale"]) == ("k1", 10)
    assert printed["env"]["max_turns"] == 20
    assert printed["clone"]["updates"] == CLONE_UPDATES
    assert printed["evaluation"]["split"] == "valid_unseen"
    assert printed["evaluation"]["validation_split"] == "valid_seen"
    again = TrainConfig.parse(printed)
    assert completed(again, assemble(again)) == again


def test_train_help_lists_settings_with_their_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--rollout.group-size" in said
    assert "Number of episodes of each task" in said


def test_envs_lists_ours_of_one_agent_and_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envs"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    about = {line[0]: line for line in lines}
    assert {"anchorgym/ALFWorld-v0", "anchorgym/WebShop-v0", "anchorgym/RedTeam-v0"} <= set(about)
    assert about["anchorgym/RedTeam-v0"][2:4] == ["yes", "train 4,096, valid 256, test 256"]


def test_envs_describes_a_world_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envs", "anchorgym/RoCoSort-v0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agents"] == ["Alice", "Bob", "Chad"]
    assert found["actions"]
    assert found["panels"].keys() == {"train"}
    assert main(["envs", "anchorgym/RoCoSort-v0"]) == 0
    assert "Alice, Bob, Chad" in capsys.readouterr().out
