"""`anchorgym envs` of environments that other packages bring."""

from __future__ import annotations

import pettingzoo
import pytest

from anchorgym.training.cli import main

GAME = "classic/tictactoe-v3"


def test_a_game_of_turns_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pygame")
    assert main(["envs", GAME]) == 0
    told = capsys.readouterr().out
    assert "player_1, player_2" in told
    assert "no limit" in told
    assert "any of Discrete(9)" in told
    assert "OneActiveEnv" not in told
    assert main(["envs", GAME, "--json"]) == 0


@pytest.mark.parametrize("command", [["envs"], ["check"], ["selfplay"], ["selfplay", "--dry-run"]])
def test_the_package_that_a_game_needs_is_named(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_it(spec: object, **arguments: object) -> None:
        raise ModuleNotFoundError("No module named 'pygame'", name="pygame")

    monkeypatch.setattr(type(pettingzoo.aec_registry[GAME]), "make", without_it)
    assert main([command[0], GAME, *command[1:]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {GAME} needs the package 'pygame'")
    assert line.endswith("pip install pygame")
