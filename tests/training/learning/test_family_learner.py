"""What algorithms ask of sampling and learner beyond PPO: entropies, temperatures, groups."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from killing import in_a_child, left_by
from small_policies import small_policy

from anchorgym.agents import ModelPolicy, Sampling
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.envs import make
from anchorgym.gigpo import make_algorithm
from anchorgym.training import EnvPool, Episode, Start, TrainConfig, rollout, train
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.minibatches import FlatTokens, minibatches, sampling_temperatures
from anchorgym.training.learning.rows import all_rows, training_rows
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.types import Origin

WORLD = "test/CandidKeyDoor-v0"


def play(policy: ModelPolicy, sampling: Sampling, n: int = 6) -> list[Episode]:
    panel = make(WORLD).tasks()
    starts = [Start(panel[i % len(panel)], i // 3, i) for i in range(n)]
    return rollout(policy, EnvPool.of(WORLD, max_turns=4), starts, sampling)


def new_learner(policy: ModelPolicy, name: str = "grpo", **changes: Any) -> LanguageLearner:
    config = LearnerConfig(**{"minibatch": 4, **changes})
    return LanguageLearner(policy, make_algorithm(name, kl_coef=0.0), config, temperature=0.7)


def ones(episodes: list[Episode]) -> Any:
    return np.ones(sum(len(episode.turns) for episode in episodes))


@pytest.mark.parametrize(("form", "packing"), [("transcript", False), ("window", True)])
def test_entropies_are_those_of_the_policy_token_by_token(form: str, packing: bool) -> None:
    policy = small_policy(WORLD, tasks=10, max_response=4, form=form)
    episodes = play(policy, Sampling(4, 0.7))
    found = new_learner(policy, packing=packing).entropies(all_rows(episodes))
    slow = []
    for episode in episodes:
        ids: list[int] = []
        for turn in episode.turns:
            ids = [*turn.context] if turn.restart else [*ids, *turn.context]
            for token in turn.response:
                with torch.no_grad():
                    table = torch.log_softmax(
                        policy.model(torch.tensor([ids])).logits[0, -1] / 0.7, -1
                    )
                slow.append(float(-(table.exp() * table).sum()))
                ids.append(token)
    np.testing.assert_allclose(found, slow, atol=1e-4)


def test_tokens_are_scored_at_the_temperature_each_was_drawn_at() -> None:
    policy = small_policy(WORLD, tasks=10, max_response=4)
    rule = AdaptiveTemperature(strength=0.5, centre=1.0, above=0.5, below=2.0)
    episodes = play(policy, Sampling(4, 0.7, rule))
    heat = [t for episode in episodes for turn in episode.turns for t in turn.temperatures]
    entropies = new_learner(policy).entropies(all_rows(episodes))
    x = np.log(entropies) - 1.0
    expected = 0.7 * (1 + 0.5 * np.clip(np.where(x > 0, x / 0.5, x / 2.0), -1, 1))
    np.testing.assert_allclose(heat, expected, atol=1e-4)
    rows = training_rows(episodes, ones(episodes))
    statistics = new_learner(policy, minibatch=100).update(rows, 0)
    assert statistics["approximate_kl"] == pytest.approx(0, abs=1e-6)


def test_groups_stay_whole_and_rows_of_average_score_with_them() -> None:
    policy = small_policy(WORLD, tasks=10, max_response=4)
    episodes = play(policy, Sampling(4, 0.7), 9)
    values = ones(episodes)
    starts = np.cumsum([0] + [len(episode.turns) for episode in episodes])
    values[starts[1] : starts[2]] = 0  # one of the first group
    values[starts[6] :] = 0  # all of the last
    assert len(training_rows(episodes, values)) == 5
    rows = training_rows(episodes, values, unit="group")
    assert [row.group for row in rows] == [0, 0, 0, 1, 1, 1]
    batches = minibatches(rows, 4, random.Random(0), "group")
    assert [Counter(row.group for row in batch) for batch in batches] in (
        [{0: 3}, {1: 3}],
        [{1: 3}, {0: 3}],
    )
    orders = [minibatches(rows, 4, random.Random(seed), "group") for seed in range(10)]
    assert {order[0][0].group for order in orders} == {0, 1}
    assert orders[3] == minibatches(rows, 4, random.Random(3), "group")


def test_forks_that_nothing_is_said_of_are_no_members_of_their_group() -> None:
    policy = small_policy(WORLD, tasks=10, max_response=4)
    gym, sampling = EnvPool.of(WORLD, max_turns=4), Sampling(4, 0.7)
    task = make(WORLD).tasks()[0]
    with ForkStore() as store:
        roots = rollout(policy, gym, [Start(task, 0, i) for i in range(2)], sampling, store=store)
        starts = [Start(task, 0, 9 + i, Origin(roots[0], 1)) for i in range(2)]
        forks = rollout(policy, gym, starts, sampling, store=store)
    episodes = [*roots, *forks]
    values = np.repeat([1.0, 0.0, 0.0, 0.5], [len(episode.turns) for episode in episodes])
    rows = training_rows(episodes, values, unit="group")
    assert [row.trajectory for row in rows] == [0, 1, 3]  # the root that scored average stays


@pytest.mark.parametrize("name", ["dapo", "drpo"])
def test_those_that_ask_who_won_learn_where_some_win(name: str, tmp_path: Path) -> None:
    job = TrainConfig.parse(
        {
            "env": "test/Errands-v0",
            "policy": {"hidden": 32, "layers": 1, "heads": 2, "vocabulary_tasks": 4},
            "clone": {"updates": 40, "batch": 4, "learning_rate": 0.01, "corrections": 0},
            "algorithm": {"name": name},
            "rollout": {"iterations": 1, "tasks": 4, "group_size": 8, "max_turns": 12},
            "evaluation": {"tasks": 1, "validation_tasks": 1},
        }
    )
    folder = train(job, tmp_path / "run").folder
    records = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    (step,) = [record for record in records if record["phase"] == "train"]
    assert 0 < step["success"] < 1
    assert step["steps"] > 0
    assert step["grad_norm"] > 0


def test_a_loss_sees_turns_trajectories_and_columns() -> None:
    policy = small_policy(WORLD, tasks=10, max_response=4, form="window")
    episodes = play(policy, Sampling(4, 0.7))
    sizes = [len(turn.response) for episode in episodes for turn in episode.turns]
    column = np.arange(float(sum(sizes)))
    rows = training_rows(episodes, ones(episodes), {"number": column, "advantages": column + 1})
    view = FlatTokens(rows)
    assert torch.bincount(view.turn).tolist() == sizes
    per_episode = [sum(len(turn.response) for turn in e.turns) for e in episodes]
    assert torch.bincount(view.trajectory).tolist() == per_episode
    assert torch.equal(view.columns["number"], torch.as_tensor(column, dtype=torch.float32))
    assert [a for row in rows for a in row.advantages] == (column + 1).tolist()
    assert sampling_temperatures(rows, 0.7, torch.device("cpu")) == 0.7


@pytest.mark.parametrize("name", ["ssb", "hapo"])
def test_what_algorithms_remember_survives_a_kill(name: str, tmp_path: Path) -> None:
    job = TrainConfig.parse(
        {
            "env": "test/Errands-v0",
            "policy": {"hidden": 32, "layers": 1, "heads": 2, "vocabulary_tasks": 4},
            "clone": {"updates": 4, "batch": 2, "corrections": 0},
            "algorithm": {"name": name, "invalid_penalty": 0.1},
            "rollout": {"iterations": 3, "tasks": 2, "group_size": 3, "max_turns": 4},
            "evaluation": {"every": 3, "tasks": 2, "validation_tasks": 1},
            "checkpoint": {"seconds": 0},
        }
    )

    def interrupted() -> None:
        from anchorgym.training.run.iterations import Iterations

        take = Iterations.take

        def until_third(self: Iterations, iteration: int) -> dict[str, Any]:
            if iteration == 3:
                raise SystemExit(9)
            return take(self, iteration)

        Iterations.take = until_third  # type: ignore[method-assign]
        train(job, tmp_path / "cut")

    train(job, tmp_path / "whole")
    assert in_a_child(interrupted) != 0
    train(job, tmp_path / "cut", resume=True)
    assert left_by(tmp_path / "cut") == left_by(tmp_path / "whole")
