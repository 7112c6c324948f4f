"""Prompts of a chat model in a run: from a file, with worked examples, and by kind of policy."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import CHAT, chat_model, chat_tokenizer

from anchorgym.agents import ChatTemplate, load_policy
from anchorgym.agents.policies.base import View
from anchorgym.agents.policies.prompt_settings import LARGE, PromptSettings
from anchorgym.agents.prompts.template import TemplateError
from anchorgym.envs import make
from anchorgym.training import ConfigError, TrainConfig
from anchorgym.training.cli import main
from anchorgym.training.learning.usual import LEARNER, kind_of
from anchorgym.training.run.components import assemble, completed
from anchorgym.training.run.remarks import remarks

WORLD = "test/Rooms-v0"
HELD_OUT = "test/Errands-v0"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model")


def assembled(model: Path, **job: Any) -> Any:
    policy = {"name": str(model), **job.pop("policy", {})}
    return assemble(TrainConfig.parse({"env": HELD_OUT, "policy": policy, **job}))


def test_worked_examples_are_turns_of_training_tasks_by_seed(model: Path) -> None:
    one, same, other = (
        assembled(model, policy={"examples": 5}, seed=seed).policy.prompt_settings.examples
        for seed in (0, 0, 1)
    )
    assert one == same != other
    assert len(one) == 5
    assert one[0].turn == 0
    env = make(HELD_OUT)
    goals = {env.reset(seed=0, options={"task": task})[1]["goal"] for task in env.tasks("train")}
    assert {example.goal for example in one} <= goals
    assert all(example.action in example.admissible_actions for example in one)


def test_examples_never_come_from_the_tasks_that_are_measured(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        ConfigError, match="no training tasks beside those that success is measured on"
    ):
        assembled(model, env=WORLD, policy={"examples": 2})
    words = ["--env", HELD_OUT, "--tasks", "1", "--json", "--policy.examples", "2"]
    short = ["--policy.max-response", "4", "--mode", "greedy", "--env.max-turns", "2"]
    assert main(["evaluate", str(model), *words, *short]) == 0
    assert json.loads(capsys.readouterr().out)["plan"]["prompt"]["examples"] == 2
    assert main(["evaluate", str(model), *words, *short, "--panel", "train"]) == 2
    assert "measure on held-out tasks, or leave the examples out" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_run_shows_them_and_keeps_them(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--policy.examples", "2", "--policy.max-response", "4", "--rollout.iterations", "0"]
    words += ["--evaluation.tasks", "1", "--env.max-turns", "2"]
    run = tmp_path / "run"
    assert main(["train", HELD_OUT, "--policy", str(model), "--out", str(run), *words]) == 0
    assert "policy.examples 4" not in capsys.readouterr().out
    kept = load_policy(run / "policy").prompt_settings.examples
    assert len(kept) == 2
    again = assembled(run / "policy")
    assert again.policy.prompt_settings.examples == kept  # what is not set stays as it was saved
    assert assembled(run / "policy", policy={"examples": 0}).policy.prompt_settings.examples == ()


def test_a_template_is_read_once_and_saved_as_text(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "message.jinja"
    file.write_text("Seen: {{ observation }}\n{{ ask }}\n")
    parts = assembled(model, policy={"template_file": str(file)})
    assert parts.policy.prompt_settings.message == file.read_text()
    parts.policy.save(tmp_path / "saved")
    file.unlink()
    assert load_policy(tmp_path / "saved").prompt_settings == parts.policy.prompt_settings


def test_a_run_goes_on_with_its_prompts(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "message.jinja"
    file.write_text("Seen: {{ observation }}\n{{ ask }}\n")
    policy = {"name": str(model), "examples": 3, "template_file": str(file), "think": False}
    config = TrainConfig.parse({"env": HELD_OUT, "policy": policy})
    parts = assemble(config)
    begun = completed(config, parts)
    assert parts.policy is not None
    parts.policy.save(tmp_path / "start")
    file.write_text("{{ other }}")
    again = TrainConfig.parse_json(begun.to_text())
    assert completed(again, assemble(again, load_policy(tmp_path / "start"))) == begun


def test_a_template_that_is_wrong_ends_a_dry_run(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "message.jinja"
    job = ["train", HELD_OUT, "--policy", str(model), "--dry-run"]
    job += ["--policy.template-file", str(file)]
    for text, problem in (
        (None, "cannot read"),
        ("", "is empty"),
        ("Hello\n{{ observatoin }}\n", "line 2: there is no variable 'observatoin'. Did you mean"),
        ("{{ goal }}", "write {{ observation }}"),
        ("{{ observation }}" + " " * 20_000, "at most 20000 are read"),
    ):
        if text is not None:
            file.write_text(text)
        assert main(job) == 2
        assert problem in " ".join(capsys.readouterr().err.split())
    file.write_bytes(b"\xff{{ observation }}")
    assert main(job) == 2
    assert "no UTF-8" in capsys.readouterr().err


def test_settings_of_chat_models_are_refused_for_a_new_policy() -> None:
    for name, value in (("system", "x"), ("tools", True), ("examples", 2), ("think", False)):
        with pytest.raises(ConfigError, match=f"{name} can be set of a chat model only"):
            TrainConfig.parse({"env": WORLD, "policy": {name: value}})


def test_tools_need_a_chat_format_that_takes_them(model: Path) -> None:
    with pytest.raises(TemplateError, match=r"leave policy\.tools false"):
        assembled(model, policy={"tools": True})


def test_a_dry_run_shows_the_prompts_and_the_divergence_of_a_pretrained_model(model: Path) -> None:
    def settled(**job: Any) -> TrainConfig:
        config = TrainConfig.parse({"env": HELD_OUT, **job})
        return completed(config, assemble(config))

    shown = settled(policy=str(model))
    assert (shown.policy.form, shown.policy.shows_actions) == ("window", "all")
    assert (shown.policy.max_response, shown.policy.max_context) == (256, 4096)
    assert (shown.algorithm.kl_coef, shown.algorithm.options["clip_high"]) == (0.01, 0.2)
    assert settled(policy=str(model), algorithm="dapo").algorithm.kl_coef == 0
    given = settled(policy=str(model), algorithm={"name": "gigpo", "kl_coef": 0.0})
    assert given.algorithm.kl_coef == 0
    assert settled().algorithm.kl_coef == 0
    assert settled().policy.max_response is None


def test_a_large_model_has_the_published_values(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(model)
    assert LEARNER[kind_of(policy)] == {"learning_rate": 2e-5}
    monkeypatch.setattr(type(policy), "n_parameters", property(lambda _: 15 * LARGE // 10))
    assert LEARNER[kind_of(policy)] == {"learning_rate": 1e-6}
    assert PromptSettings.for_chat(LARGE).max_response == 512
    assert PromptSettings.for_chat(LARGE - 1).max_response == 256


def test_what_is_cloned_can_be_chosen(model: Path) -> None:
    expert = assembled(model, env=HELD_OUT)
    drawn = assembled(model, env=HELD_OUT, clone={"teacher": "random"})
    assert (expert.expert, drawn.expert) == (True, False)
    config = TrainConfig.parse({"env": "test/Errands-v0", "clone": {"teacher": "random"}})
    assert any("random play, which shows" in line for line in remarks(config, drawn))
    with pytest.raises(ConfigError, match=r"clone\.teacher: Rooms has no honest expert"):
        assembled(model, env=WORLD, clone={"teacher": "expert"})
    with pytest.raises(ConfigError, match=r"clone\.teacher: Rooms has no expert that knows every"):
        assembled(model, env=WORLD, clone={"teacher": "full"})


def test_an_expert_that_knows_everything_is_cloned_where_it_is_asked_for(model: Path) -> None:
    world = "test/GuidedKeyDoor-v0"  # whose expert knows where the key is
    assert not assembled(model, env=world).expert
    with pytest.raises(ConfigError, match="has no honest expert: choose full or random"):
        assembled(model, env=world, clone={"teacher": "expert"})
    told = assembled(model, env=world, clone={"teacher": "full"})
    assert told.expert
    config = TrainConfig.parse({"env": world, "clone": {"teacher": "full"}})
    assert any("knows everything" in line for line in remarks(config, told))
    env = told.eval_envs.first
    for task, action in (("key west", "west"), ("key here", "take key")):
        _, info = env.reset(options={"task": task})
        assert told.teacher(env, View.of(info), random.Random(0)) == action
    with pytest.raises(ConfigError, match="has no honest expert to give any"):
        assembled(model, env=world, clone={"teacher": "full"}, rollout={"hints": "masked"})


def test_worked_examples_come_from_the_teacher_that_is_cloned(model: Path) -> None:
    drawn, expert = (
        assembled(model, clone={"teacher": teacher}, policy={"examples": 8}).policy
        for teacher in ("random", "auto")
    )
    assert drawn.prompt_settings.examples != expert.prompt_settings.examples


def test_transcripts_that_keep_what_the_chat_format_drops_are_remarked_on(tmp_path: Path) -> None:
    forgets = CHAT.replace("{{ m.content }}", "{{ m.content.split('</think>')[-1] }}")
    folder = chat_model(tmp_path / "model", tokenizer=chat_tokenizer(forgets))
    assert isinstance(load_policy(folder).template, ChatTemplate)
    for form, think, said in (
        ("transcript", True, True),
        ("window", True, False),
        ("transcript", False, False),
    ):
        policy = {"name": str(folder), "form": form, "think": think}
        config = TrainConfig.parse({"env": HELD_OUT, "policy": policy})
        found = [line for line in remarks(config, assemble(config)) if "drops" in line]
        assert bool(found) == said


def test_scripted_players_refuse_settings_of_prompts(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--env", "test/Errands-v0", "--tasks", "1", "--env.max-turns", "2"]
    asked = ["--policy.form", "window", "--policy.max-response", "4"]
    assert main(["evaluate", "expert", *words, *asked]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "expert reads no prompts: leave out --policy.form, --policy.max-response" in said
    against = ["--against", str(model), "--mode", "greedy"]
    assert main(["evaluate", "expert", *against, *words, *asked]) == 0
    assert "changes the other player alone" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("words", [["play", HELD_OUT, "--policy"], ["vgc", "league", "random"]])
def test_commands_that_load_a_model_take_its_device(
    model: Path, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    named = f"language:{model}" if words[0] == "vgc" else str(model)
    out = ["--out", str(tmp_path / "league")] if words[0] == "vgc" else []
    assert main([*words, named, *out, "--device", "cuda:9"]) == 2
    assert "no device 'cuda:9'" in " ".join(capsys.readouterr().err.split())
