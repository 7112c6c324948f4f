"""The league's self-play on the kitchen, with policies that read and write text."""

from __future__ import annotations

from pathlib import Path

from anchorgym.training.selfplay import CoevolveConfig, coevolve


def test_cooks_that_read_train_against_what_they_have_been(tmp_path: Path) -> None:
    config = CoevolveConfig.parse(
        {
            "env": {
                "id": "anchorgym/Overcooked-v0",
                "actions": "mid",
                "max_turns": 30,
                "rules": {"orders": ["o"], "cooking": "manual", "time": 1},
            },
            "league": {"zero_sum": False, "bounds": [0, 200]},
            "schedule": {"kind": "league", "past": 0.5},
            "generations": 2,
            "iterations": 1,
            "tasks": 2,
            "group_size": 4,
            "payoff_games": 16,
        }
    )
    *_, last = coevolve(config, tmp_path / "run")
    assert last.league.players() == ("cook 0", "cook 1", "cook 2")
    assert len(last.league.table.games("cook 0", "cook 2"))
    assert "cook 2" in last.payoff
    pair = last.league.table.games("cook 0", "cook 1")
    assert (pair[:, 0] == pair[:, 1]).all()
