"""Settings for a kind of policy: sensible where none were given, and those that were given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import chat_model
from small_policies import small_policy

from anchorgym.agents import load_policy
from anchorgym.gigpo import make_algorithm
from anchorgym.training import TrainConfig
from anchorgym.training.config.sections import CloneConfig, LearnerConfig
from anchorgym.training.learning.cloning_learner import CloningLearner
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.learners import learner_for
from anchorgym.training.learning.usual import usual_clone
from anchorgym.training.run.components import assemble, completed
from anchorgym.training.selfplay.config import WarmupConfig

WORLD = "test/Rooms-v0"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model")


def settled(**job: object) -> TrainConfig:
    config = TrainConfig.parse({"env": WORLD, **job})
    return completed(config, assemble(config))


def test_a_pretrained_model_is_trained_with_smaller_steps_than_a_new_policy(model: Path) -> None:
    new, pretrained = settled(), settled(policy=str(model))
    assert (new.learner.learning_rate, pretrained.learner.learning_rate) == (3e-4, 2e-5)
    assert (new.clone.learning_rate, pretrained.clone.learning_rate) == (2e-3, 5e-5)
    assert (new.clone.matrix_learning_rate, pretrained.clone.matrix_learning_rate) == (0.02, 0)
    assert (new.clone.observation_weight, pretrained.clone.observation_weight) == (0.3, 0)
    again = TrainConfig.parse_json(pretrained.model_dump_json())  # as a resumed run reads them
    assert completed(again, assemble(again, load_policy(model))) == pretrained


def test_what_is_given_stays(model: Path) -> None:
    given = {"learner": {"learning_rate": 3e-4}, "clone": {"learning_rate": 2e-3}}
    config = settled(policy=str(model), **given)
    assert (config.learner.learning_rate, config.clone.learning_rate) == (3e-4, 2e-3)
    assert config.clone.observation_weight == 0


def test_a_policy_that_a_run_has_built_stays_one_from_nothing(tmp_path: Path) -> None:
    small_policy(WORLD).save(tmp_path / "policy")
    assert settled(policy=str(tmp_path / "policy")).learner.learning_rate == 3e-4


def test_a_learner_that_is_made_alone_has_the_same_rate(model: Path) -> None:
    algorithm = make_algorithm("grpo", kl_coef=0.0)
    for config, rate in ((LearnerConfig(), 2e-5), (LearnerConfig(learning_rate=1e-3), 1e-3)):
        learner = learner_for(load_policy(model), algorithm, config)
        assert isinstance(learner, LanguageLearner)
        assert learner.optimizers["optimizer"].param_groups[0]["lr"] == rate


def test_one_optimizer_clones_into_a_pretrained_model(model: Path) -> None:
    policy = load_policy(model)
    config = usual_clone(WarmupConfig(batch=2).cloning, policy)
    assert config == CloneConfig(
        batch=2,
        learning_rate=5e-5,
        matrix_learning_rate=0.0,
        weight_decay=0.0,
        observation_weight=0.0,
    )
    learner = CloningLearner(policy, config, updates=2, seed=0)
    assert list(learner.optimizers) == ["adamw"]
    before = {name: weight.clone() for name, weight in learner.masters.named().items()}
    row = Demonstration()
    row.read([5, 6, 7])
    row.write([8, 9], [8, 9])
    learner.update([row, row], 0)
    after = learner.masters.named()
    matrices = [name for name, weight in after.items() if weight.dim() == 2]
    assert matrices
    moved = [(after[name] - before[name]).abs().max() for name in matrices]
    assert 0 < torch.stack(moved).max() < 1e-3
