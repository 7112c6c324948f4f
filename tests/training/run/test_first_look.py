"""The first look at a pretrained model: what it writes, and what to try."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import chat_model

from anchorgym.agents import ChatTemplate, Decision, load_policy
from anchorgym.training.cli import main
from anchorgym.training.run.first_look import FirstLook


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model")


def test_what_cannot_be_read_is_shown_before_anything_is_trained(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--policy.max-response", "12", "--rollout.iterations", "0", "--evaluation.tasks", "1"]
    run = tmp_path / "run"
    job = ["train", "test/Rooms-v0", "--policy", str(model), "--out", str(run), *words]
    assert main(job) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "first look 0 of 24 turns could be read as an action" in said
    assert "the model wrote: '" in said
    assert "try --policy.max-response 24, or --policy.think false" in said
    assert "--clone.updates 20, a warm-up on how random play writes actions" in said
    records = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    (look,) = [record for record in records if record["phase"] == "look"]
    assert (look["turns"], look["readable"], look["valid"]) == (24, 0, 0)
    assert look["example"]


def test_actions_that_are_invalid_are_counted(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChatTemplate, "parse", lambda *_: Decision("fly", "I fly"))
    words = ["--policy.max-response", "5", "--rollout.iterations", "0", "--evaluation.tasks", "1"]
    job = ["train", "test/Rooms-v0", "--policy", str(model), "--out", str(tmp_path / "run"), *words]
    assert main(job) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "24 of 24 turns could be read as an action, 0 of these were valid" in said
    assert "the model wrote: 'I fly'" in said


def test_what_is_well_needs_no_advice(model: Path) -> None:
    look = FirstLook(turns=24, readable=20, valid=18, cut=0, example="what?")
    assert len(list(look.advice(load_policy(model), expert=True))) == 1


def test_advice_fits_what_was_seen(model: Path) -> None:
    policy = load_policy(model).with_prompt(shows_actions="none", max_response=50)
    invalid = FirstLook(turns=10, readable=10, valid=1, cut=0, example="<action>\nfly</action>")
    lines = list(invalid.advice(policy, expert=True))
    assert lines[0].endswith("10 of 10 turns could be read as an action, 1 of these were valid")
    assert lines[1].endswith("the model wrote: '<action> fly</action>'")
    assert lines[2].strip() == "try --policy.shows-actions all, which lists what is possible"
    unread = FirstLook(turns=10, readable=1, valid=1, cut=0, example="x" * 999)
    lines = list(unread.advice(policy, expert=True))
    assert len(lines[1]) < 300
    assert "how the expert writes actions" in lines[2]
    assert "max-response" not in lines[2]


def test_a_warm_up_that_comes_next_is_not_advised(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--policy.max-response", "5", "--rollout.iterations", "0", "--evaluation.tasks", "1"]
    run = ["--out", str(tmp_path / "run"), "--clone.updates", "1"]
    assert main(["train", "test/Rooms-v0", "--policy", str(model), *run, *words]) == 0
    said = capsys.readouterr().out
    assert "the model wrote: '" in said
    assert " try --" not in said
