"""The whole path on a small world: clone, improve, measure, save, and load again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import chat_model
from remote_engine import RemoteEngine

from anchorgym.agents import RandomPolicy, load_policy
from anchorgym.training import (
    ConfigError,
    EnvPool,
    Episode,
    Run,
    RunExistsError,
    Start,
    TrainConfig,
    Turn,
    evaluate,
    paired_difference,
    train,
)
from anchorgym.training.cli import main
from anchorgym.training.commands.train import time_spent
from anchorgym.training.learning.columns import anchor_keys
from anchorgym.training.rollout import timers
from anchorgym.training.run import iterations, job


def settings(env: str, **changes: dict[str, Any]) -> TrainConfig:
    """A job of seconds."""
    base: dict[str, Any] = {
        "env": env,
        "policy": {"hidden": 32, "layers": 2, "heads": 2, "kv_heads": 1, "vocabulary_tasks": 30},
        "clone": {"updates": 40, "batch": 8},
        "rollout": {"iterations": 3, "tasks": 3, "group_size": 8},
        "learner": {"learning_rate": 2e-3},
        "evaluation": {"every": 3, "modes": ["greedy", "sampled"]},
    }
    for section, values in changes.items():
        base[section] = {**base.get(section, {}), **values}
    return TrainConfig.parse(base)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    job = settings("test/Rooms-v0", clone={"updates": 80}, rollout={"iterations": 16, "tasks": 6})
    return train(job, folder / "run")


def test_a_world_of_the_users_own_is_learnt_without_an_expert(run: Run) -> None:
    chance = evaluate(RandomPolicy(0), EnvPool.of("test/Rooms-v0", max_turns=20), split="train")
    sampled = run.after["sampled"].success.mean
    assert run.after["greedy"].success.mean == 1.0
    assert sampled >= run.before["sampled"].success.mean
    assert run.after["sampled"].turns < chance.turns


def test_the_run_leaves_what_it_promises(run: Run) -> None:
    assert (run.folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    records = [json.loads(line) for line in (run.folder / "metrics.jsonl").open()]
    phases = {record["phase"] for record in records}
    assert phases == {"policy", "clone", "before", "validate", "train", "anchors", "after"}
    steps = [record for record in records if record["phase"] == "train"]
    assert [step["iteration"] for step in steps] == list(range(1, 17))
    assert {"success", "loss", "entropy", "approximate_kl", "grad_norm"} <= steps[0].keys()
    result = json.loads((run.folder / "result.json").read_text())
    assert result["after"]["greedy"]["success"]["mean"] == run.after["greedy"].success.mean
    assert result["gain"]["greedy"]["mean"] == pytest.approx(run.gain("greedy").mean)
    assert list((run.folder / "tensorboard").glob("events.out.tfevents.*"))
    config = TrainConfig.parse_json((run.folder / "config.json").read_text())
    assert config.rollout.iterations == 16


def test_the_saved_policy_plays_as_the_trained_one(run: Run) -> None:
    loaded = load_policy(run.folder / "policy")
    assert loaded.env_id == "test/Rooms-v0"
    again = evaluate(loaded, EnvPool.of("test/Rooms-v0", max_turns=20), split="train")
    assert again.won == run.after["greedy"].won
    assert again.turns == run.after["greedy"].turns
    clone = load_policy(run.folder / "clone")
    before = evaluate(clone, EnvPool.of("test/Rooms-v0", max_turns=20), split="train")
    assert paired_difference(before, run.before["greedy"]).mean == 0


def test_a_run_is_never_overwritten(run: Run) -> None:
    with pytest.raises(RunExistsError, match="another folder"):
        train(settings("test/Rooms-v0"), run.folder)


def test_an_expert_is_cloned(tmp_path: Path) -> None:
    config = settings("test/CandidKeyDoor-v0", clone={"updates": 100}, rollout={"iterations": 0})
    run = train(config, tmp_path / "run")
    assert run.before["greedy"].success.mean == 1.0
    assert run.iteration == 0


def test_a_run_says_what_its_figures_cannot_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--policy.hidden", "16", "--policy.heads", "2", "--policy.vocabulary-tasks", "4"]
    small += ["--clone.updates", "1", "--rollout.iterations", "0", "--evaluation.tasks", "1"]
    assert main(["train", "test/Rooms-v0", "--out", str(tmp_path / "run"), *small]) == 0
    said = capsys.readouterr().out
    assert "no honest expert: random play shows what can be written" in said
    assert "success is measured on train, the training tasks" in said


@pytest.mark.parametrize("algorithm", ["gigpo", "grpo"])
def test_equal_seeds_give_equal_runs(tmp_path: Path, algorithm: str) -> None:
    def losses(name: str, seed: int) -> list[float]:
        changes: dict[str, Any] = {"algorithm": {"name": algorithm}, "clone": {"updates": 5}}
        changes["evaluation"] = {"modes": ["greedy"], "tasks": 1, "validation_tasks": 1}
        config = settings("test/Rooms-v0", rollout={"iterations": 2, "tasks": 2}, **changes)
        train(config.model_copy(update={"seed": seed}), tmp_path / name)
        records = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()]
        return [r["loss"] for r in records if r["phase"] == "train" and "loss" in r]

    first = losses("a", 1)
    assert first == losses("b", 1)
    assert first != losses("c", 2)


def test_observations_can_be_the_anchors(tmp_path: Path) -> None:
    config = settings("test/Rooms-v0", algorithm={"anchor": "observation", "kl_coef": 0.01})
    run = train(config, tmp_path / "run")
    records = [json.loads(line) for line in (run.folder / "metrics.jsonl").open()]
    losses = [r["loss"] for r in records if r["phase"] == "train" and "loss" in r]
    assert losses
    assert None not in losses  # as a loss that is not finite is written


def test_turns_are_grouped_by_what_was_chosen() -> None:
    texts = ["hall", "shed", "hall", "shed", "hall"]
    turns = [Turn(text, bytes([n])) for n, text in enumerate(texts)]
    episode = Episode(Start("task"), "", turns)
    groups = {
        anchor: len(set(anchor_keys(episode, anchor)))
        for anchor in ("state", "observation", "history:1", "history:2", "history:9")
    }
    assert groups == {"state": 5, "observation": 2, "history:1": 2, "history:2": 3, "history:9": 5}
    by_two = anchor_keys(episode, "history:2")
    assert by_two[2] == by_two[4] != by_two[0]


@pytest.mark.parametrize("anchor", ["histroy:2", "history:0", "history", ""])
def test_other_anchors_are_refused(anchor: str) -> None:
    with pytest.raises(ConfigError, match=r"algorithm\.anchor"):
        settings("test/Rooms-v0", algorithm={"anchor": anchor})


def test_a_trained_policy_can_be_trained_on(run: Run, tmp_path: Path) -> None:
    more = settings(
        "test/Rooms-v0",
        policy={"name": str(run.folder / "policy")},
        clone={"updates": None},
        rollout={"iterations": 1},
    )
    again = train(more, tmp_path / "more")
    assert again.before["greedy"].won == run.after["greedy"].won


def test_a_policy_remembers_its_environment_and_its_turn_limit_is_that_of_registration(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run.folder / "policy"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["env"] == "test/Rooms-v0"
    assert found["policies"][0]["greedy"]["turns"] == run.after["greedy"].turns


def test_another_environment_is_warned_about(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run.folder / "policy"), "--env", "test/KeyDoor-v0"]) == 0
    assert "knows the words of test/Rooms-v0 only" in capsys.readouterr().err


@pytest.mark.pictures
def test_an_interrupted_run_leaves_its_policy_and_its_curve_and_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(iterations, "turn_batch", interrupt)
    out = tmp_path / "run"
    small = ["--policy.hidden", "32", "--policy.vocabulary-tasks", "10", "--clone.updates", "20"]
    small += ["--rollout.iterations", "1", "--rollout.tasks", "2"]
    command = ["train", "--env", "test/Rooms-v0", "--out", str(out), "--quiet", *small]
    assert main(command) == 130
    assert f"--resume {out}" in capsys.readouterr().err
    assert (out / "curve.png").exists()
    load_policy(out / "policy")
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(job, "new_policy", interrupt)  # nothing is begun anew
    assert main(["train", "--resume", str(out), "--quiet"]) == 0
    assert (out / "result.json").exists()
    assert main(["train", "--resume", str(out)]) == 0
    assert "nothing to resume" in capsys.readouterr().out


@pytest.mark.parametrize(
    "prompt",
    [
        {"form": "window", "shows_actions": "all"},
        {"constrained": True},
        {"form": "window", "history": 1, "constrained": True},
    ],
    ids=lambda prompt: " ".join(map(str, prompt)),
)
def test_every_prompt_form_is_cloned_and_improved(prompt: dict[str, Any], tmp_path: Path) -> None:
    config = settings("test/CandidKeyDoor-v0", policy=prompt, rollout={"iterations": 2})
    run = train(config, tmp_path / "run")
    loaded = load_policy(run.folder / "policy")
    assert loaded.prompt_settings == run.policy.prompt_settings
    assert loaded.form == prompt.get("form", "transcript")
    if prompt.get("constrained"):
        assert run.after["greedy"].invalid == 0
    steps = [json.loads(line) for line in (run.folder / "metrics.jsonl").open()]
    assert any(step.get("loss") for step in steps if step["phase"] == "train")


@pytest.mark.parametrize("form", ["window", "transcript"])
def test_a_chat_model_from_elsewhere_is_trained(form: str, tmp_path: Path) -> None:
    config = settings(
        "test/Rooms-v0",
        policy={"name": str(chat_model(tmp_path / "model")), "max_response": 6, "form": form},
        clone={"updates": None},
        rollout={"iterations": 1, "tasks": 2, "group_size": 2, "max_turns": 3},
        algorithm={"kl_coef": 0.01, "invalid_penalty": 0.1},
        evaluation={"tasks": 2, "validation_tasks": 2},
    )
    run = train(config, tmp_path / "run")
    assert run.after["greedy"].invalid == 1.0  # random weights write no tags
    policy = load_policy(run.folder / "policy")
    assert (policy.template.name, policy.form, policy.max_response) == ("chat", form, 6)


def test_a_chat_model_can_be_cloned(tmp_path: Path) -> None:
    config = settings(
        "test/CandidKeyDoor-v0",
        policy={"name": str(chat_model(tmp_path / "model")), "max_response": 60},
        clone={"updates": 20, "corrections": 0.0, "learning_rate": 2e-3},
        rollout={"iterations": 0},
        evaluation={"tasks": 1},
    )
    train(config, tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    losses = [record["action_loss"] for record in records if record["phase"] == "clone"]
    assert losses[-1] < 0.8 * losses[0]


def test_a_users_own_engine_writes_for_a_run_and_its_waiting_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]  # of a clock that moves on by 7 seconds whenever the engine is waited for
    poll = RemoteEngine.poll

    def waited(engine: RemoteEngine, timeout: float | None = None) -> Any:
        now[0] += 7.0
        return poll(engine, timeout)

    monkeypatch.setattr(RemoteEngine, "poll", waited)
    clock = SimpleNamespace(process_time=time.process_time, monotonic=lambda: now[0])
    monkeypatch.setattr(timers, "time", clock)
    small = settings(
        "test/Rooms-v0",
        engine={"name": "remote_engine:RemoteFactory", "delay": 0.0},
        clone={"updates": 2},
        rollout={"iterations": 1, "tasks": 2, "group_size": 2, "max_turns": 4},
        evaluation={"every": 1, "modes": ["greedy"], "tasks": 2, "validation_tasks": 2},
    )
    run = train(small, tmp_path / "run")
    result = json.loads((run.folder / "result.json").read_text())
    assert result["wall_seconds"].keys() == result["cpu_seconds"].keys()
    assert run.wall_seconds["generation"] >= 7.0  # of one turn that was waited for, at least
    assert run.wall_seconds["generation"] % 7.0 == 0.0
    assert run.wall_seconds["update"] == 0.0
    last = [json.loads(line) for line in (run.folder / "metrics.jsonl").open()]
    (step,) = [record for record in last if record["phase"] == "train"]
    assert {"wall_seconds", "cpu_seconds"} <= step.keys()


def test_the_clock_is_told_where_it_parts_from_the_processor() -> None:
    one = Run(Path(), policy=cast(Any, None), cpu_seconds={"clone": 8.0, "generation": 2.0})
    one.wall_seconds = {"clone": 8.5, "generation": 2.2}
    assert time_spent(one) == "10 CPU seconds: clone 8, generation 2"
    one.wall_seconds = {"clone": 8.5, "generation": 30.0}
    assert time_spent(one) == (
        "10 CPU seconds: clone 8, generation 2\n38 seconds by the clock: clone 8, generation 30"
    )
