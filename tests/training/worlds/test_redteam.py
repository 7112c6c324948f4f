"""What a red-team run has come to, measured at small size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anchorgym.agents import ScriptPolicy
from anchorgym.envs import make_parallel
from anchorgym.training.cli import main
from anchorgym.training.config.section import ConfigError
from anchorgym.training.selfplay import CoevolveConfig, EnvPool, coevolve
from anchorgym.training.selfplay.coevolution import Coevolution
from anchorgym.training.worlds.redteam import evaluate_teams, play_panel
from anchorgym.training.worlds.redteam.measuring import measure_run
from anchorgym.training.worlds.redteam.report import RedTeamReport

SURFACES = {"user", "message", "agent", "tool"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("red") / "run"
    config = CoevolveConfig.parse(
        {
            "env": {"id": "anchorgym/RedTeam-v0", "schedule": "safety_first"},
            "generations": 2,
            "iterations": 1,
            "tasks": 4,
            "group_size": 4,
            "payoff_games": 0,
        }
    )
    for _ in coevolve(config, folder):
        pass
    return folder


def envs() -> EnvPool[Any]:
    return EnvPool(lambda: make_parallel("anchorgym/RedTeam-v0"))


def test_a_team_that_obeys_everybody_loses_and_one_that_asks_does_not() -> None:
    rooms = envs()
    tasks = rooms.first.tasks("test")[:40]
    teams = {"naive": ScriptPolicy("naive"), "verify": ScriptPolicy("verify")}
    found = evaluate_teams(rooms, teams, {"authority": ScriptPolicy("authority")}, tasks)
    naive, verify = (figures.measures for figures in found)
    assert naive["attack_success"].mean == 1.0
    assert verify["attack_success"].mean == 0.0
    assert naive["attack_success"].low > verify["attack_success"].high
    assert naive["utility_clean"].mean == verify["utility_clean"].mean == 1.0
    assert sum(n for _, _, n in found[0].cells) == sum("/attack/" in task for task in tasks)


def test_a_panel_is_played_alike_every_time() -> None:
    rooms = envs()
    tasks = rooms.first.tasks("valid")[:6]
    sides = ScriptPolicy("blatant"), ScriptPolicy("ignore")
    first, again = (play_panel(rooms, *sides, tasks, seed=3) for _ in range(2))
    assert first == again
    assert [record.task for record in first] == list(tasks)


def test_a_run_is_measured_beside_the_undefended_and_the_untrained(
    run: Path, tmp_path: Path
) -> None:
    report = measure_run(run, tasks=12, response=1, scratch=tmp_path)
    teams = {figures.team for figures in report.figures}
    attackers = {figures.attacker for figures in report.figures}
    assert teams == {"undefended", "untrained", "generation 2"}
    assert attackers == {"blatant", "authority", "peer_spoof", "own", "fresh"}
    assert report.cross_play.keys() == {"attacker 0", "attacker 1", "attacker 2"}
    assert report.entropies.keys() == {"attacker", "defender"}
    assert report.warnings() == []


def test_the_command_prints_tables_json_pictures_and_transcripts(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--tasks", "6", "--best-response", "0"]
    assert main(["redteam", "evaluate", str(run), *flags, "--transcripts", "1"]) == 0
    said = capsys.readouterr().out
    assert "undefended" in said
    assert "round 1" in said
    assert main(["redteam", "evaluate", str(run), *flags, "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(
        (tmp_path / "redteam.json").read_text()
    )
    assert (tmp_path / "redteam.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_command_goes_on_with_the_attacker_that_it_was_training(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two iterations against each of three teams; those that were trained are not trained again."""
    iterate, calls = Coevolution._iterate, []

    def counted(one: Coevolution) -> None:
        calls.append(one)
        if len(calls) == 4:
            raise KeyboardInterrupt
        iterate(one)

    monkeypatch.setattr(Coevolution, "_iterate", counted)
    command = ["redteam", "evaluate", str(run), "--tasks", "6", "--best-response", "2", "--json"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 130
    assert "interrupted: repeat the command to go on from there" in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert len(calls) == 4 + 4
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "anchorgym.json", "redteam.json", "redteam.png"
    }  # fmt: skip
    goes_on = json.loads(capsys.readouterr().out)
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    assert goes_on == json.loads(capsys.readouterr().out)


def test_runs_of_several_seeds_are_pooled_and_other_topologies_measured(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--tasks", "6", "--best-response", "0"]
    graphs = ["--topology", "chain", "--topology", "star"]
    assert main(["redteam", "evaluate", str(run), str(run), *flags, *graphs]) == 0
    said = capsys.readouterr().out
    assert "2 runs, with Student's 95 % intervals" in said
    assert "last" in said
    rows = [line.split() for line in said.splitlines()]
    assert {row[2] for row in rows if len(row) > 3 and row[1] in SURFACES} == {"chain", "star"}


def test_a_run_against_scripts_is_measured_against_them(tmp_path: Path) -> None:
    config = CoevolveConfig.parse(
        {
            "env": {"id": "anchorgym/RedTeam-v0", "topology": "complete"},
            "roles": {
                "attacker": {"policy": "script:authority", "trainable": False},
                "defender": {},
            },
            "generations": 1,
            "iterations": 1,
            "tasks": 2,
            "group_size": 2,
            "payoff_games": 0,
        }
    )
    for _ in coevolve(config, tmp_path / "run"):
        pass
    report = measure_run(tmp_path / "run", tasks=6, response=1, scratch=tmp_path / "fresh")
    by_attacker = {of.attacker: of for of in report.figures if of.team == "undefended"}
    assert by_attacker["own"].measures == by_attacker["authority"].measures
    assert by_attacker["fresh"].strategies


def test_a_policy_that_hardly_varies_any_more_is_warned_of() -> None:
    report = RedTeamReport([], {}, {"attacker": 0.01, "defender": 0.8})
    (warning,) = report.warnings()
    assert "attacker has collapsed" in warning


def test_a_folder_without_a_red_team_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="anchorgym selfplay"):
        measure_run(tmp_path, tasks=1, response=0)


def test_a_panel_without_attacks_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="hold no attack"):
        measure_run(run, tasks=0, response=0)
