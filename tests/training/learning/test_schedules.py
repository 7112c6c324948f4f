"""Learning rates: how they rise and fall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import worlds  # noqa: F401  (registers the test worlds)

from anchorgym.training import TrainConfig, train
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.schedules import learning_rate


def rates(iterations: int, **settings: object) -> list[float]:
    config = LearnerConfig(learning_rate=1.0, **settings)
    return [learning_rate(config, n, iterations) for n in range(1, iterations + 1)]


def test_by_default_the_rate_is_constant() -> None:
    assert rates(4) == [1.0] * 4


def test_it_rises_in_equal_steps_and_falls_to_its_final_share() -> None:
    found = rates(7, schedule="linear", warmup=2, final=0.2)
    assert found == pytest.approx([1 / 3, 2 / 3, 1.0, 0.8, 0.6, 0.4, 0.2])


def test_a_cosine_is_flat_at_both_ends() -> None:
    found = rates(9, schedule="cosine", final=0.0)
    assert found == pytest.approx(
        [1.0, 0.9619, 0.8536, 0.6913, 0.5, 0.3087, 0.1464, 0.0381, 0.0], abs=1e-4
    )


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0, 1, 5])
def test_runs_of_any_length_have_a_rate(schedule: str, warmup: int) -> None:
    for iterations in (1, 2, 3):
        found = rates(iterations, schedule=schedule, warmup=warmup)
        assert all(0 < rate <= 1 for rate in found)


def test_a_run_learns_at_the_rates_of_its_schedule(tmp_path: Path) -> None:
    job = {
        "env": "test/Errands-v0",
        "policy": {"hidden": 16, "layers": 1, "heads": 2, "vocabulary_tasks": 4},
        "clone": {"updates": 0},
        "rollout": {"iterations": 3, "tasks": 1, "group_size": 2, "max_turns": 2},
        "learner": {"learning_rate": 1e-3, "schedule": "linear", "final": 0.5},
        "evaluation": {"every": 9, "tasks": 1, "validation_tasks": 1},
    }
    train(TrainConfig.parse(job), tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    taken = [r["learning_rate"] for r in records if r["phase"] == "train"]
    assert taken == pytest.approx([1e-3, 7.5e-4, 5e-4])
