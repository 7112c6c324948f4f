"""Drivers and strategies of a user's own, from a module outside the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import worlds  # noqa: F401  (registers the test worlds)

from anchorgym.agents import RandomPolicy, Sampling
from anchorgym.training import ConfigError, EnvPool, Start, TrainConfig, rollout, train
from anchorgym.training.config.general import DriverConfig
from anchorgym.training.rollout.drivers import LockStepDriver, make_driver
from anchorgym.training.rollout.errors import DriverError
from anchorgym.training.run.components import assemble

MODULE = '''
from anchorgym.training import Start
from anchorgym.training.rollout.drivers import LockStepDriver


class Counting:
    """Plays in lock-step, and announces what is done."""

    def __init__(self, *, note="done"):
        self.note, self.done = note, []
        self.inner = LockStepDriver()

    def play(self, runs, sampling, timers=None, finished=None):
        def count(run):
            self.done.append((self.note, run.match.start.task))
            if finished is not None:
                finished(run)

        self.inner.play(runs, sampling, timers, count)


class Twice:
    """Plays every task twice."""

    forks = False

    def __init__(self, *, config, algorithm, state, limit):
        self.limit = limit

    def play(self, tasks, first, rng, play):
        starts = [
            Start(task, first + n, rng.getrandbits(31)) for n, task in enumerate(tasks)
            for _ in range(2)
        ]
        played = play(starts)
        return [played[2 * n : 2 * n + 2] for n in range(len(tasks))]


seven = 7
'''


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rollouts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def job(**sections: Any) -> TrainConfig:
    base: dict[str, Any] = {
        "env": "test/Errands-v0",
        "policy": {"hidden": 32, "layers": 1, "heads": 2, "vocabulary_tasks": 4},
        "clone": {"updates": 2, "batch": 2, "corrections": 0},
        "rollout": {"iterations": 1, "tasks": 2, "group_size": 5, "max_turns": 4},
        "evaluation": {"tasks": 1, "validation_tasks": 1},
    }
    return TrainConfig.parse({**base, **sections})


def test_a_driver_of_ones_own_plays_with_its_options() -> None:
    driver: Any = make_driver(DriverConfig.parse({"name": "my_rollouts:Counting", "note": "!"}))
    starts = [Start("room 2", 0, 1), Start("room 4", 0, 2)]
    envs = EnvPool.of("test/Rooms-v0", max_turns=3)
    mine = rollout(RandomPolicy(0), envs, starts, Sampling(), driver=driver)
    assert mine == rollout(RandomPolicy(0), envs, starts, Sampling())
    assert sorted(driver.done) == [("!", "room 2"), ("!", "room 4")]


def test_a_driver_is_named_in_the_settings(tmp_path: Path) -> None:
    config = job(driver="my_rollouts:Counting")
    components = assemble(config)
    assert type(components.driver).__name__ == "Counting"
    assert isinstance(assemble(job()).driver, LockStepDriver)
    left = [
        train(job(driver=name), tmp_path / str(i)).folder / "metrics.jsonl"
        for i, name in enumerate(("lock_step", "my_rollouts:Counting"))
    ]
    lines = [[json.loads(line) for line in path.open()] for path in left]
    played = [[line["success"] for line in of if "success" in line] for of in lines]
    assert played[0] == played[1]
    assert len(played[0]) > 3


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        ("lockstep", "Did you mean 'lock_step'"),
        ("my_rollouts:Nothing", "driver.name: .*defines no 'Nothing'"),
        ("my_rollouts:seven", "not a class that makes a driver"),
        ({"name": "my_rollouts:Counting", "speed": 3}, "unexpected keyword argument 'speed'"),
        ({"name": "lock_step", "speed": 3}, "cannot make 'lock_step'"),
    ],
)
def test_a_driver_that_cannot_be_made_is_a_wrong_setting(driver: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        assemble(job(driver=driver))


def test_a_strategy_of_ones_own_makes_the_groups(tmp_path: Path) -> None:
    rollouts = {"iterations": 1, "tasks": 3, "max_turns": 4, "strategy": "my_rollouts:Twice"}
    run = train(job(rollout=rollouts), tmp_path / "run")
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").open()]
    (step,) = [line for line in lines if line["phase"] == "train"]
    assert step["episodes"] == 6


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"rollout": {"strategy": "forks"}}, "Did you mean 'fork'"),
        ({"rollout": {"strategy": "my_rollouts:Thrice"}}, "Did you mean 'Twice'"),
        ({"rollout": {"strategy": "my_rollouts:seven"}}, "makes no strategy"),
    ],
)
def test_a_strategy_that_cannot_be_made_is_a_wrong_setting(
    sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        assemble(job(**sections))


def test_an_algorithm_that_needs_forks_needs_a_strategy_with_forks(tmp_path: Path) -> None:
    sections: dict[str, Any] = {
        "algorithm": {"name": "spo", "mode": "tree"},
        "rollout": {"iterations": 1, "tasks": 1, "strategy": "my_rollouts:Twice"},
    }
    with pytest.raises(ConfigError, match="values states by forks, and my_rollouts:Twice has none"):
        train(job(**sections), tmp_path / "run")


class Forgetful(LockStepDriver):
    """Leaves the last run alone."""

    def play(self, runs: Any, *rest: Any) -> None:
        super().play(list(runs)[:-1], *rest)


def test_a_driver_that_leaves_episodes_unfinished_is_found_out() -> None:
    envs = EnvPool.of("test/Rooms-v0")
    starts = [Start(task, 0, 0) for task in envs.first.tasks()[:3]]
    with pytest.raises(DriverError, match="Forgetful has played 2 of 3 episodes"):
        rollout(RandomPolicy(0), envs, starts, Sampling(), driver=Forgetful())
