"""Runs and commands that train low-rank adapters (LoRA) of a chat model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import parallel_worlds  # noqa: F401  (registers the test worlds)
import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from adapted import adapted
from chat_models import chat_model
from killing import KILLED, Moments, in_a_child, left_by
from safetensors.torch import load_file
from small_policies import small_policy
from transformers import AutoModelForCausalLM

from anchorgym.agents import load_policy
from anchorgym.agents.engines.adapters import adapter_weights
from anchorgym.training import ConfigError, TrainConfig, train
from anchorgym.training.cli import main
from anchorgym.training.run.components import assemble, completed
from anchorgym.training.run.trainer import read_config
from anchorgym.training.selfplay import CoevolveConfig, coevolve

WORLD = "test/Errands-v0"
LAYERS = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model", positions=1024)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model that knows the words of a world: decoding is confined to its actions."""
    folder = tmp_path_factory.mktemp("small") / "policy"
    small_policy(WORLD, tasks=4, constrained=True).save(folder)
    return folder


def settings(small: Path) -> TrainConfig:
    """A job of a second: cloning, two iterations with a KL penalty, a checkpoint at every step."""
    base: dict[str, Any] = {
        "env": {"id": WORLD, "max_turns": 6},
        "policy": {"name": str(small)},
        "lora": {"rank": 4, "alpha": 8},
        "clone": {"updates": 4, "batch": 2, "learning_rate": 0.01},
        "algorithm": {"kl_coef": 0.01, "invalid_penalty": 0.1, "norm": "mean"},
        "rollout": {"iterations": 2, "tasks": 3, "group_size": 4, "max_turns": 6},
        "learner": {"learning_rate": 0.01, "minibatch": 4},
        "evaluation": {"every": 2, "tasks": 2, "validation_tasks": 1},
        "checkpoint": {"seconds": 0},
    }
    return TrainConfig.parse(base)


@pytest.fixture(scope="module")
def run(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(settings(small), folder)
    return folder


def test_a_run_trains_and_saves_adapters_alone(small: Path, run: Path) -> None:
    assert not list(run.rglob("model.safetensors"))
    names = ("start", "clone", "policy")
    saved = {name: load_file(run / name / "adapter_model.safetensors") for name in names}
    ups = [name for name in saved["start"] if "lora_B" in name]
    assert all(not saved["start"][name].any() for name in ups)
    assert all(saved["clone"][name].any() for name in ups)
    assert any(not torch.equal(saved["clone"][name], saved["policy"][name]) for name in ups)
    whole = load_policy(small).n_parameters
    adapters = load_policy(run / "policy")
    assert adapters.base is not None
    assert adapters.base.folder == small
    assert adapters.n_parameters - whole == sum(
        weight.numel() for weight in adapter_weights(adapters.model).values()
    )


def work(config: TrainConfig, folder: Path, kill_at: int = -1) -> tuple[int, int]:
    """Begin or resume a run in a process of its own; return its end and its moments."""

    def go() -> None:
        moments = Moments(kill_at).watch()
        begun = (folder / "config.json").exists()
        train(read_config(folder) if begun else config, folder, resume=True)
        (folder.parent / "moments").write_text(str(moments.count))

    end = in_a_child(go)
    return end, int((folder.parent / "moments").read_text()) if end == 0 else 0


@pytest.fixture(scope="module")
def whole(run: Path, small: Path) -> tuple[dict[str, Any], int]:
    """What a run leaves that was never interrupted, and how many moments it had."""
    folder = run.with_name("watched")
    end, moments = work(settings(small), folder)
    assert end == 0
    return left_by(folder), moments


@pytest.mark.parametrize("share", [0.3, 0.55, 0.8])  # in cloning, and in both iterations
def test_a_run_that_was_killed_ends_to_the_last_bit_as_if_it_had_not_been(
    share: float, small: Path, whole: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    left, moments = whole
    kill_at = int(share * moments)
    assert work(settings(small), tmp_path / "run", kill_at)[0] == KILLED
    assert work(settings(small), tmp_path / "run")[0] == 0
    assert left_by(tmp_path / "run") == left, f"killed at moment {kill_at} of {moments}"


def test_checkpoints_hold_no_weights_of_the_base(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    from anchorgym.training.learning import gradient_learner

    original = gradient_learner.save_tensors

    def watched(folder: Path, **parts: Any) -> None:
        seen.append(set(parts["model"]))
        original(folder, **parts)

    monkeypatch.setattr(gradient_learner, "save_tensors", watched)
    train(settings(small), tmp_path / "run")
    assert len(seen) > 3
    assert all("lora_" in name for names in seen for name in names)


def test_a_dry_run_shows_what_is_trained_and_how_fast(
    model: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for words in (
        ["--policy", str(model), "--lora.rank", "8"],
        ["--policy", str(run / "policy")],  # which goes on with its adapters
    ):
        assert main(["train", "test/Rooms-v0", *words, "--dry-run"]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert [each["lora"] for each in shown] == [
        {"rank": 8, "alpha": 32.0, "targets": LAYERS},
        {"rank": 4, "alpha": 8.0, "targets": LAYERS},
    ]
    for each in shown:
        assert each["learner"]["learning_rate"] == 2e-4
        assert each["clone"]["learning_rate"] == 5e-4
        assert each["clone"]["matrix_learning_rate"] == 0


def test_equal_settings_are_equal_on_resuming(run: Path) -> None:
    config = read_config(run)
    assert completed(config, assemble(config, load_policy(run / "start"))) == config
    assert config.model_dump(exclude_unset=True)["lora"] == {"rank": 4, "alpha": 8.0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lora.rank", "8"], "the policy 'tiny' is built from nothing"),
        (["--policy", "{model}", "--lora.rank", "-1"], "lora.rank"),
        (["--policy", "{model}", "--lora.rank", "4", "--lora.alpha", "0"], "lora.alpha"),
        (["--policy", "{model}", "--lora.rank", "4", "--lora.targets", "[]"], "lora.targets"),
        (
            ["--policy", "{model}", "--lora.rank", "4", "--lora.targets", "all_linear"],
            "Did you mean 'all-linear'",
        ),
        (
            ["--policy", "{model}", "--lora.rank", "4", "--lora.targets", '["q_prj"]'],
            "Did you mean 'q_proj'",
        ),
        (["--policy", "{model}", "--lora.rnk", "4"], "Did you mean 'lora.rank'"),
        (["--policy", "{run}/policy", "--lora.rank", "8"], "have 4 already, not 8"),
        (["--policy", "{run}/policy", "--lora.alpha", "9"], "lora.alpha: the policy's adapters"),
        (["--policy", "{run}/policy", "--lora.targets", "attention"], "lora.targets: the policy's"),
        (["--policy", "{model}", "--lora.alpha", "9"], "only with lora.rank"),
        (
            ["--policy", "{model}", "--lora.rank", "4", "--clone.matrix-learning-rate", "0.02"],
            "clone.matrix_learning_rate",
        ),
    ],
)
def test_mistakes_are_named(
    words: list[str], said: str, model: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(model=model, run=run) for word in words]
    assert main(["train", "test/Rooms-v0", *words, "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


# Commands -------------------------------------------------------------------------------------


def test_adapters_are_evaluated_and_exported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "models" / "mine"
    assert main(["export", str(run / "policy"), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    whole, ids = load_policy(out), torch.arange(3, 20)[None]
    assert whole.adapters is None
    with torch.no_grad():
        ours = load_policy(run / "policy").model(ids).logits
        for model in (whole.model, AutoModelForCausalLM.from_pretrained(out)):
            assert (model(ids).logits - ours).abs().max() < 1e-5
    figures = []
    for policy in (run / "policy", out):
        words = [str(policy), "--env", WORLD, "--env.max-turns", "6", "--mode", "greedy"]
        assert main(["evaluate", *words, "--json"]) == 0
        figures.append(json.loads(capsys.readouterr().out.replace(str(policy), "")))
    assert figures[0] == figures[1]
    assert main(["export", str(run / "policy"), str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_is_exported_in_the_data_type_that_is_asked_for(
    model: Path, dtype: str, tmp_path: Path
) -> None:
    adapted(model).save(tmp_path / "adapters")
    assert main(["export", str(tmp_path / "adapters"), str(tmp_path / "o"), "--dtype", dtype]) == 0
    saved = {str(tensor.dtype) for tensor in load_file(tmp_path / "o/model.safetensors").values()}
    assert saved == {f"torch.{dtype}"}


# Self-play ------------------------------------------------------------------------------------


def test_roles_of_self_play_train_adapters(model: Path, tmp_path: Path) -> None:
    role = {"policy": {"name": str(model), "max_response": 4}, "lora": {"rank": 2}}
    config = CoevolveConfig.parse(
        {
            "env": "test/Haggle-v0",
            "roles": {"trader": {"agents": ["*"], **role}},
            "generations": 1,
            "iterations": 1,
            "tasks": 1,
            "group_size": 2,
            "payoff_games": 0,
        }
    )
    for _ in coevolve(config, tmp_path / "run"):
        pass
    player = tmp_path / "run/players/trader-1"
    assert not (player / "model.safetensors").exists()
    adapters = load_policy(player).adapters
    assert adapters is not None
    assert adapters.rank == 2


def test_a_table_has_nothing_to_adapt() -> None:
    with pytest.raises(ConfigError, match="the policy 'tabular' is built from nothing"):
        CoevolveConfig.parse({"env": "test/Cards-v0", "roles": {"player": {"lora": {"rank": 2}}}})


def test_adapters_of_a_shared_policy_are_set_where_it_is() -> None:
    roles = {"a": {"policy": "tabular"}, "b": {"policy": "role:a", "lora": {"rank": 2}}}
    with pytest.raises(ConfigError, match=r"roles\.b: lora\.rank: the policy is that of a"):
        CoevolveConfig.parse({"env": "test/Haggle-v0", "roles": roles})
