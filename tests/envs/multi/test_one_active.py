"""Games of turns that strangers wrote for PettingZoo's AEC interface."""

from __future__ import annotations

from typing import Any

import pytest
from parallel_worlds import Nim

from anchorgym.envs import OneActiveEnv, check_parallel_env, make_parallel, register
from anchorgym.envs.errors import ContractError, OptionError
from anchorgym.training.cli import main


@register("test/ForgetfulNim-v0")
class ForgetfulNim(Nim):
    """Says nothing of rewards after the last move."""

    def step(self, action: Any) -> None:
        super().step(action)
        if not self.left:
            self.rewards = dict.fromkeys(self.agents, float("nan"))


def test_only_whose_turn_it_is_is_active() -> None:
    env = OneActiveEnv(Nim())
    seen, infos = env.reset(seed=0)
    order = []
    while env.agents:
        order.append([agent for agent in env.agents if infos[agent]["active"]])
        seen, rewards, ended, cut, infos = env.step({order[-1][0]: 2})
    assert order == [["player_0"], ["player_1"], ["player_0"]]
    assert rewards == {"player_0": 1.0, "player_1": -1.0}
    assert ended == {"player_0": True, "player_1": True}
    assert cut == {"player_0": False, "player_1": False}
    assert seen["player_1"]["observation"].tolist() == [0]


def test_what_the_others_say_is_not_heard() -> None:
    env = OneActiveEnv(Nim())
    env.reset()
    seen, *_ = env.step({"player_0": 0, "player_1": 2})
    assert seen["player_1"]["observation"].tolist() == [6]
    with pytest.raises(ContractError, match="turn of player_1"):
        env.step({"player_0": 0})


def test_a_game_without_end_is_cut() -> None:
    env = make_parallel("test/Nim-v0", sticks=100, max_turns=3)
    _, infos = env.reset()
    for _ in range(3):
        assert env.agents
        _, _, ended, cut, infos = env.step({a: 0 for a in env.agents if infos[a]["active"]})
    assert env.agents == []
    assert cut == {"player_0": True, "player_1": True}
    assert not any(ended.values())
    with pytest.raises(OptionError, match="at least 1"):
        OneActiveEnv(Nim(), max_turns=0)


@pytest.mark.parametrize("world", [Nim, Nim(), "test/Nim-v0"])
def test_it_is_checked_for_what_pettingzoo_promises(world: Any) -> None:
    report = check_parallel_env(world)
    assert report.ok, report.summary()
    assert "has no tasks(), anchor(), snapshot(), restore()" in report.summary()
    passed = {result.name for result in report.results if result.status == "passed"}
    assert {"plays", "agents", "steps", "spaces", "determinism", "pettingzoo"} <= passed


def test_its_faults_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "test/ForgetfulNim-v0"]) == 1
    assert "the reward of player_0 is nan" in capsys.readouterr().out


def test_games_that_pettingzoo_brings_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pygame", reason="PettingZoo's own board games need pygame")
    for game in ("classic/tictactoe-v3", "classic/rps-v2"):
        assert main(["check", game]) == 0, capsys.readouterr().out
