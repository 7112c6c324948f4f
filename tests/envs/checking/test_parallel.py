"""`check_parallel_env` passes healthy worlds and names each fault by the check that is about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from faulty_parallel_worlds import FAULTS, RaisesOnListedAction, SeesArrays
from parallel_worlds import Cards, Chairs, Haggle, Pennies, StrangersGame
from worlds import KeyDoor

from anchorgym.envs import check_parallel_env
from anchorgym.envs.checking.parallel import PARALLEL_CHECKS
from anchorgym.envs.errors import EnvCheckError, OptionError, UnknownEnvError
from anchorgym.training.cli import main


@pytest.mark.parametrize("world", [Pennies, Haggle, Chairs, Cards, SeesArrays])
def test_healthy_worlds_pass(world: Any) -> None:
    report = check_parallel_env(world, seed=1)
    assert report.ok, report.summary()
    assert {result.status for result in report.results} == {"passed"}


@pytest.mark.parametrize(("check", "world"), FAULTS)
def test_a_planted_fault_is_named_by_its_check_alone(check: str, world: Any) -> None:
    report = check_parallel_env(world, episodes=8)
    assert {finding.check for finding in report.findings} == {check}, report.summary()
    with pytest.raises(EnvCheckError, match=check):
        report.raise_if_failed()


def test_every_check_has_a_planted_fault() -> None:
    assert {check for check, _ in FAULTS} == {"make", *(c.name for c in PARALLEL_CHECKS)}


def test_a_strangers_game_is_checked_for_what_it_promises_and_told_what_is_skipped() -> None:
    report = check_parallel_env(StrangersGame)
    assert report.ok, report.summary()
    skipped = {result.name for result in report.results if result.status == "skipped"}
    assert {"restore", "anchors", "info"} < skipped
    assert not {"determinism", "pettingzoo", "spaces"} & skipped
    assert "has no tasks(), anchor(), snapshot(), restore()" in report.summary()


def test_a_finding_says_how_to_see_it_again() -> None:
    finding = check_parallel_env(RaisesOnListedAction).findings[0]
    env = RaisesOnListedAction()
    env.reset(seed=finding.seed, options={"task": finding.task})
    for joint in finding.actions[:-1]:
        env.step(joint)
    with pytest.raises(ZeroDivisionError):
        env.step(finding.actions[-1])
    json.dumps(check_parallel_env(RaisesOnListedAction).to_json())


def test_faults_of_the_caller_are_raised_and_others_are_findings() -> None:
    with pytest.raises(UnknownEnvError, match="Did you mean 'test/Pennies-v0'"):
        check_parallel_env("test/Penies-v0")
    with pytest.raises(OptionError, match="episodes"):
        check_parallel_env(Pennies, episodes=0)
    with pytest.raises(OptionError, match="max_turns"):
        check_parallel_env(Pennies(), max_turns=3)
    for env in (KeyDoor, 7):
        report = check_parallel_env(env)  # type: ignore[arg-type]
        assert "ParallelEnv" in report.findings[0].seen


def test_a_made_environment_is_left_as_it_is() -> None:
    made = Pennies()
    made.reset(seed=0)
    before = made.snapshot()
    assert check_parallel_env(made, episodes=4).ok
    assert made.snapshot() == before


def test_the_command_checks_both_kinds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_faulty_game.py").write_text(
        "import parallel_worlds\n"
        "from anchorgym.envs import register\n"
        "@register('me/Blind-v0')\n"
        "class Blind(parallel_worlds.Pennies):\n"
        "    def observe(self, agent):\n"
        "        return None\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check", "my_faulty_game:me/Blind-v0", "--json"]) == 1
    failed = [c for c in json.loads(capsys.readouterr().out)["checks"] if c["status"] == "failed"]
    assert [check["name"] for check in failed] == ["spaces"]
    assert main(["check", "parallel_worlds:test/Cards-v0", "--env.max-turns", "9"]) == 0
    assert "all checks passed" in capsys.readouterr().out
    assert main(["check", "test/Penies-v0"]) == 2
    assert "Did you mean 'test/Pennies-v0'" in capsys.readouterr().err
