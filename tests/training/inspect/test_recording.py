"""Recorded episodes of a run: what was played can be executed again."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import worlds  # noqa: F401  (registers the test worlds)

from anchorgym.envs import make
from anchorgym.training import Run, TrainConfig, train
from anchorgym.training.inspect.trajectories import EpisodeRecord, Header, read_trajectories

SETTINGS: dict[str, Any] = {
    "env": {"id": "test/Errands-v0", "max_turns": 9},
    "policy": {"hidden": 32, "layers": 1, "heads": 2, "vocabulary_tasks": 6},
    "clone": {"updates": 40, "batch": 3, "learning_rate": 0.01},
    "algorithm": {"invalid_penalty": 0.1, "norm": "mean", "truncation_value": 0.5},
    "rollout": {"iterations": 7, "tasks": 3, "group_size": 3, "max_turns": 6},
    "evaluation": {"every": 7, "modes": ["greedy", "sampled"]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    limits = {"record_every": 3, "record_groups": 2}
    rollout = {**SETTINGS["rollout"], **limits}
    config = TrainConfig.parse({**SETTINGS, "rollout": rollout})
    return train(config, tmp_path_factory.mktemp("recorded") / "run")


def read(run: Run, name: str) -> tuple[Header, list[EpisodeRecord]]:
    header, episodes = read_trajectories(run.folder / "episodes" / f"{name}.jsonl")
    return header, list(episodes)


def test_the_first_the_last_and_every_third_iteration_are_kept(run: Run) -> None:
    names = sorted(path.name for path in (run.folder / "episodes").iterdir())
    assert names == [
        *(f"{when}-{mode}.jsonl" for when in ("after", "before") for mode in ("greedy", "sampled")),
        *(f"train-0000{n}.jsonl" for n in (1, 3, 6, 7)),
    ]


def test_an_iteration_is_recorded_with_its_advantages_and_step_groups(run: Run) -> None:
    header, episodes = read(run, "train-00003")
    assert (header["purpose"], header["iteration"]) == ("train", 3)
    assert header["arguments"] == {"max_turns": 6, "split": "train"}
    assert [episode["group"] for episode in episodes] == [0] * 3 + [1] * 3
    turns = [turn for episode in episodes for turn in episode["turns"]]
    assert any(turn["advantage"] for turn in turns)
    states = defaultdict(set)
    for episode in episodes:
        for turn in episode["turns"]:
            states[turn["step_group"]].add((episode["group"], turn["anchor"]))
    assert all(len(of_one_group) == 1 for of_one_group in states.values())
    assert len({state for of_one in states.values() for state in of_one}) == len(states)


@pytest.mark.parametrize("name", ["train-00001", "train-00007", "before-greedy", "after-greedy"])
def test_what_was_recorded_happens_again_when_it_is_executed(run: Run, name: str) -> None:
    header, episodes = read(run, name)
    env = make(header["env"], **header["arguments"])
    for episode in episodes:
        assert episode["task"] in env.tasks()
        options = {"task": episode["task"]}
        observation, info = env.reset(seed=episode["seed"], options=options)
        for turn in episode["turns"]:
            assert (turn["observation"], turn["anchor"]) == (observation, info["anchor"].hex())
            observation, reward, _, _, info = env.step(turn["action"])
            assert (turn["reward"], turn["valid"]) == (reward, info["action_valid"])
        assert (episode["final_observation"], episode["won"]) == (observation, info["won"])


def test_the_final_figures_are_those_of_the_recorded_episodes(run: Run) -> None:
    header, episodes = read(run, "after-greedy")
    assert header["purpose"] == "evaluate"
    assert tuple(episode["won"] for episode in episodes) == run.after["greedy"].won


def test_recording_can_be_left_out(tmp_path: Path) -> None:
    rollout = {**SETTINGS["rollout"], "iterations": 1, "record_every": 0}
    train(TrainConfig.parse({**SETTINGS, "rollout": rollout}), tmp_path / "run")
    assert not list((tmp_path / "run" / "episodes").glob("train-*"))
