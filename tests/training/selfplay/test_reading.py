"""An algorithm that reads what agents saw and did, in self-play."""

from __future__ import annotations

import json
from pathlib import Path

from anchorgym.training.selfplay import CoevolveConfig, coevolve


def test_a_critic_that_reads_judges_the_turns_of_self_play(tmp_path: Path) -> None:
    config = CoevolveConfig.parse(
        {
            "env": {"id": "anchorgym/RoCoSort-v0", "level": "sort1", "max_turns": 5},
            "roles": {
                "robots": {"agents": ["*"], "algorithm": {"name": "read", "kl_coef": 0.0}},
            },
            "league": {"zero_sum": False, "bounds": [0, 1]},
            "generations": 1,
            "iterations": 2,
            "tasks": 1,
            "group_size": 8,
            "payoff_games": 0,
        }
    )
    for _ in coevolve(config, tmp_path / "run"):
        pass
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    trained = [x for x in map(json.loads, lines) if x["phase"] == "train"]
    assert [x["role"] for x in trained] == ["robots", "robots"]
    assert any(x["zero_advantage"] < 0.5 for x in trained)
    checkpoints = "".join(p.read_text() for p in (tmp_path / "run").rglob("*.json"))
    assert '"weights"' in checkpoints
