"""ALFWorld as users make and play it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import gymnasium as gym
import psutil
import pytest

import anchorgym.envs.alfworld  # noqa: F401  # registers the environment
from anchorgym.envs import check_env
from anchorgym.envs.alfworld.env import ALFWorldEnv
from anchorgym.envs.errors import (
    DataError,
    NoExpertError,
    OptionError,
    ResetNeededError,
    SnapshotError,
    UnknownSplitError,
    UnknownTaskError,
)

ENV = "anchorgym/ALFWorld-v0"
TASK = "valid_seen/pick_and_place_simple/3"
PLACE = "pick_and_place_simple-Apple-None-Fridge-1/trial_1"
WIN = ["go to sinkbasin 1", "take bowl 1 from sinkbasin 1", "go to fridge 1", "open fridge 1"]


def make(**kwargs: Any) -> ALFWorldEnv:
    env = gym.make(ENV, **kwargs).unwrapped
    assert isinstance(env, ALFWorldEnv)
    return env


@pytest.fixture
def kitchen_env(small_data: Path) -> ALFWorldEnv:
    env = make(data=small_data)
    env.reset(options={"task": PLACE})
    return env


@pytest.mark.parametrize("split", ["train", "valid_unseen"])
def test_generated_games_keep_the_environment_contract(split: str) -> None:
    report = check_env(ENV, split=split, episodes=4)
    assert report.ok, str(report)


def test_the_older_dialect_keeps_the_environment_contract() -> None:
    report = check_env(ENV, dialect="2.1.1", episodes=4)
    assert report.ok, str(report)


def test_official_games_keep_the_environment_contract(small_data: Path) -> None:
    report = check_env(ENV, data=small_data, episodes=4)
    assert report.ok, str(report)


def test_a_task_id_plays_exactly_that_game() -> None:
    env = make(split="valid_unseen", max_turns=7)
    first, info = env.reset(seed=1, options={"task": TASK})
    assert info["task_id"] == TASK
    assert first.endswith(f"Your task is to: {info['goal']}")
    assert make().reset(seed=2, options={"task": TASK})[0] == first
    assert env.task_type(TASK) == "pick_and_place_simple"
    truncations = [env.step("look")[3] for _ in range(7)]
    assert truncations == [False] * 6 + [True]


def test_the_seed_draws_the_task_from_the_split() -> None:
    env = make(split="valid_unseen")
    drawn = [env.reset(seed=seed)[1]["task_id"] for seed in (5, 6, 5)]
    assert drawn[0] == drawn[2] != drawn[1]
    assert all(task in env.tasks() for task in drawn)


def test_winning_pays_once_for_each_time_the_goal_becomes_true(kitchen_env: ALFWorldEnv) -> None:
    for command in WIN:
        _, reward, terminated, _, info = kitchen_env.step(command)
        assert (reward, terminated, info["won"]) == (0.0, False, False)
        assert info["action_valid"]
    assert info["progress"] == 0.5
    assert kitchen_env.extra_info() == {"goal_condition_success_rate": 0.0}
    _, reward, terminated, _, info = kitchen_env.step("move bowl 1 to fridge 1")
    assert (reward, terminated, info["won"], info["progress"]) == (1.0, True, True, 1.0)
    assert info.get("goal_condition_success_rate") == 1.0
    _, reward, terminated, _, info = kitchen_env.step("look")
    assert (reward, terminated, info["won"]) == (0.0, True, True)
    _, reward, terminated, _, info = kitchen_env.step("take bowl 1 from fridge 1")
    assert (reward, terminated, info["won"]) == (0.0, False, False)


def test_invalid_actions_say_why_and_answer_as_the_game_does(kitchen_env: ALFWorldEnv) -> None:
    for action in ("dance", "open fridge 1", "", "look\0", "a" * 9999, "\ud800", 7):
        observation, reward, _, _, info = kitchen_env.step(action)  # type: ignore[arg-type]
        assert observation == "Nothing happens."
        assert (reward, info["action_valid"]) == (0.0, False)
        assert info["reason"]


def test_a_snapshot_is_returned_to_and_checked(kitchen_env: ALFWorldEnv, small_data: Path) -> None:
    for command in WIN[:2]:
        before = kitchen_env.step(command)
    data = kitchen_env.snapshot()
    other = make(data=small_data)
    assert other.restore(data) == (before[0], before[4])
    assert other.world.seen
    after = [other.step(command) for command in WIN[2:]]
    kitchen_env.restore(data)
    assert [kitchen_env.step(command) for command in WIN[2:]] == after
    with pytest.raises(SnapshotError, match="not here"):
        make().restore(data)


def test_the_older_dialect_says_what_published_prompts_show(small_data: Path) -> None:
    env = make(data=small_data, dialect="2.1.1")
    first, info = env.reset(options={"task": PLACE})
    assert first == make(data=small_data).reset(options={"task": PLACE})[0]
    assert "help" not in info["admissible_actions"]
    assert list(info["admissible_actions"]) == sorted(info["admissible_actions"])
    # The kitchen has locations 1, 2 and 9, which are numbered downwards.
    said = [env.step(command)[0] for command in WIN]
    assert said[0].startswith("You arrive at loc 3. On the sinkbasin 1, you see a bowl 1")
    assert said[2] == "You arrive at loc 2. The fridge 1 is closed."
    assert "put bowl 1 in/on fridge 1" in env.admissible_actions()
    for command in ("help", "move bowl 1 to fridge 1", "put bowl 1 in fridge 1"):
        observation, *_, info = env.step(command)
        assert (observation, info["action_valid"]) == ("Nothing happens.", False)
    observation, reward, *_ = env.step("put bowl 1 in/on fridge 1")
    assert (observation, reward) == ("You put the bowl 1 in/on the fridge 1.", 1.0)


def test_tasks_of_some_types_are_those_of_all_in_their_order() -> None:
    two = ("look_at_obj_in_light", "pick_two_obj_and_place")
    every, some, one = make(), make(task_types=two), make(task_types=two[0])
    for split in ("train", "valid_unseen"):
        expected = [task for task in every.tasks(split) if every.task_type(task) in two]
        assert list(some.tasks(split)) == expected
        assert {one.task_type(task) for task in one.tasks(split)} == {two[0]}
    _, info = one.reset(seed=3)
    assert one.task_type(info["task_id"]) == two[0]
    with pytest.raises(OptionError, match=r"no task type 'look'.*pick_two_obj_and_place"):
        make(task_types="look")


def test_dialects_share_states_and_not_snapshots() -> None:
    new, old = make(), make(dialect="2.1.1")
    assert (new.dialect, old.dialect) == ("2.1.2", "2.1.1")
    for env in (new, old):
        env.reset(options={"task": TASK})
    while not new.won():
        assert new.anchor() == old.anchor()
        action = new.expert_action("honest")
        parts = action.split()
        if parts[0] == "move":
            action = f"put {' '.join(parts[1:3])} in/on {' '.join(parts[4:])}"
        assert old.expert_action("honest") == action
        assert new.step(new.expert_action("full"))[1] == old.step(old.expert_action("full"))[1]
    assert old.won()
    with pytest.raises(SnapshotError, match="configuration"):
        old.restore(new.snapshot())
    with pytest.raises(OptionError, match=r"no dialect '2\.1': choose 2\.1\.2 or 2\.1\.1"):
        make(dialect="2.1")


def test_before_the_first_reset_nothing_is_running() -> None:
    env = make()
    for call in (env.anchor, env.admissible_actions, env.snapshot, env.expert_action):
        with pytest.raises(ResetNeededError):
            call()


def test_data_named_but_missing_is_an_error_and_never_replaced(
    tmp_path: Path, small_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        make(data=tmp_path / "nowhere")
    with pytest.raises(DataError, match="lacks the split 'valid_seen'"):
        make(data=small_data, split="valid_seen")
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="ALFWORLD_DATA"):
        make()
    monkeypatch.setenv("ALFWORLD_DATA", str(small_data))
    assert PLACE in make().tasks()
    monkeypatch.setenv("ALFWORLD_DATA", "")
    assert TASK in make().tasks("valid_seen")


def test_misspelt_tasks_and_splits_are_told_their_nearest(kitchen_env: ALFWorldEnv) -> None:
    with pytest.raises(UnknownTaskError, match=f"Did you mean '{PLACE}'"):
        kitchen_env.reset(options={"task": PLACE.replace("Fridge", "Frige")})
    assert kitchen_env.task == PLACE
    with pytest.raises(UnknownTaskError, match="Did you mean"):
        make().reset(options={"task": "train/pick_and_place_simpel/1"})
    with pytest.raises(UnknownSplitError, match="Did you mean 'valid_seen'"):
        make(split="validseen")


@pytest.mark.parametrize("kind", ["honest", "full"])
def test_both_experts_win_a_generated_game(kind: str) -> None:
    env = make()
    _, info = env.reset(options={"task": TASK})
    while not info["won"]:
        *_, truncated, info = env.step(env.expert_action(kind))  # type: ignore[arg-type]
        assert info["action_valid"]
        assert not truncated
    with pytest.raises(NoExpertError, match="'honest' or 'full'"):
        env.expert_action("psychic")  # type: ignore[arg-type]


def test_a_thousand_environments_fit_in_200_mib() -> None:
    tasks = make().tasks()
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    live = []
    for i in range(1000):
        env = make()
        _, info = env.reset(options={"task": tasks[i]})
        live.append((env, env.step(info["admissible_actions"][0])))
    gc.collect()
    assert (process.memory_info().rss - before) / 2**20 < 200
