"""`anchorgym evaluate` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import worlds  # registers the test worlds
from small_policies import small_policy

from anchorgym.training.cli import main
from anchorgym.training.evaluation import measurement
from anchorgym.training.evaluation.figures import Evaluation

ROOMS = "test/Rooms-v0"
ALF = "anchorgym/ALFWorld-v0"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("policy") / "policy"
    small_policy(ROOMS, tasks=6).save(folder)
    return str(folder)


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["evaluate", *arguments, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_policy_is_measured_greedily_and_sampled(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (policy, "--seed", "4", "--env.max-turns", "4")
    found = as_json(capsys, *arguments)
    assert (found["env"], found["split"], found["tasks"], found["seed"]) == (ROOMS, "train", 6, 4)
    assert (len(found["panel"]), found["complete"], found["comparison"]) == (64, True, {})
    (figures,) = found["policies"]
    assert figures["name"] == policy
    greedy, sampled = (Evaluation.from_json(figures[mode]) for mode in ("greedy", "sampled"))
    assert (greedy.temperature, greedy.samples, len(greedy.won)) == (0.0, 1, 6)
    assert (sampled.temperature, sampled.samples, len(sampled.won)) == (1.0, 4, 24)
    assert list(sampled.pass_at) == [1, 2, 4]
    assert as_json(capsys, *arguments) == found


def test_two_are_compared_on_the_same_tasks(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--env", "test/CandidKeyDoor-v0")
    found = as_json(capsys, "expert", "--against", "random", *where, "--env.max-turns", "9")
    assert [figures["name"] for figures in found["policies"]] == ["expert", "random"]
    assert found["arguments"] == {"max_turns": 9}
    comparison = found["comparison"]["greedy"]
    shares = [sum(figures["greedy"]["won"]) / 3 for figures in found["policies"]]
    assert comparison["difference"]["mean"] == pytest.approx(shares[0] - shares[1])
    assert comparison["better"] + comparison["worse"] <= comparison["tasks"] == 3
    sampled = ("--mode", "sampled", "--samples", "2", "--env.max-turns", "3")
    same = as_json(capsys, policy, "--against", policy, *sampled)
    assert same["comparison"]["sampled"]["difference"]["mean"] == 0, "both meet the same chance"


def test_the_table_shows_everything(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    alf = ["--env", ALF, "--panel", "valid_seen", "--tasks", "6", "--env.max-turns=4"]
    assert main(["evaluate", "expert", "--against", "random", *alf, "--mode", "both"]) == 0
    said = capsys.readouterr().out
    for text in ("6 of 600 tasks", "worst type", "difference", "pass@4", "pass^2", "sign test"):
        assert text in said
    assert main(["evaluate", policy, "--env.max-turns=2"]) == 0
    said = capsys.readouterr().out
    for text in ("greedy", "sampled at 1, 4 times", "all tasks", "invalid actions", "panel"):
        assert text in said


def test_an_evaluation_is_kept_and_can_be_verified(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "kept"
    short = ("--samples", "2", "--env.max-turns", "5")
    found = as_json(capsys, policy, "--against", "random", *short, "--out", str(out))
    assert json.loads((out / "evaluation.json").read_text()) == found
    assert (out / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    header, *episodes = map(json.loads, (out / "episodes.jsonl").read_text().splitlines())
    assert (header["env"], header["purpose"]) == (ROOMS, "evaluate")
    assert len(episodes) == 6 * (1 + 2) * 2
    won = [e["won"] for e in episodes if (e["policy"], e["mode"]) == ("random", "greedy")]
    assert won == found["policies"][1]["greedy"]["won"]
    assert main(["replay", str(out), "--verify"]) == 0


def test_an_interrupt_leaves_what_was_finished(
    policy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = measurement.evaluate

    def evaluate(*arguments: Any, temperature: float, **named: Any) -> Evaluation:
        if temperature > 0:
            raise KeyboardInterrupt
        return original(*arguments, temperature=temperature, **named)

    monkeypatch.setattr(measurement, "evaluate", evaluate)
    assert main(["evaluate", policy, "--json", "--env.max-turns", "2"]) == 130
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["complete"] is False
    assert set(found["policies"][0]) == {"name", "greedy"}
    assert "left out" in said.err
    assert main(["evaluate", policy, "--json", "--mode", "sampled"]) == 130
    assert capsys.readouterr().out == ""


def test_arguments_of_the_environment_may_come_first(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, "--env.max-turns", "1", policy, "--mode", "greedy")
    assert found["policies"][0]["greedy"]["turns"] == 1.0


def test_more_tasks_than_there_are_is_warned_about(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["--mode", "greedy", "--env.max-turns", "1"]
    assert main(["evaluate", policy, "--tasks", "200", *short]) == 0
    assert "train holds 6 tasks, not 200" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["random"], "--env ID"),
        (["POLICY", "--temperature", "0"], "--mode greedy"),
        (["POLICY", "--samples", "0"], "at least 1"),
        (["POLICY", "--tasks", "0"], "at least 1 task"),
        (["POLICY", "--frobnicate", "1"], "has no flag '--frobnicate'"),
        (["POLICY", "--env.max-trns", "1"], "max_trns"),
        (["POLICY", "--panel", "trian"], "Did you mean 'train'"),
        (["POLICY", "--against", "nowhere"], "nowhere holds no policy"),
    ],
)
def test_mistakes_get_one_clear_line(
    policy: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *(policy if word == "POLICY" else word for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".png"}


def test_an_evaluation_whose_world_raises_keeps_what_was_played_and_goes_on(
    policy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    words = ["evaluate", policy, "--samples", "3", "--env.max-turns", "4"]
    steps, step = [0], worlds.Rooms.step

    def counted(self: worlds.Rooms, action: str) -> Any:
        steps[0] += 1
        return step(self, action)

    monkeypatch.setattr(worlds.Rooms, "step", counted)
    assert main([*words, "--out", str(whole)]) == 0
    needed, fails_at = steps[0], steps[0] - 3

    def fails(self: worlds.Rooms, action: str) -> Any:
        if steps[0] >= fails_at:
            raise OSError("the disk is gone")
        return counted(self, action)

    steps[0] = 0
    monkeypatch.setattr(worlds.Rooms, "step", fails)
    assert main([*words, "--out", str(cut)]) == 2
    said = capsys.readouterr().err
    assert f"what was played is kept in {cut}: repeat the command" in said
    assert "the disk is gone" in said
    kept = json.loads((cut / "evaluation.json").read_text())
    assert kept["complete"] is False
    assert list(kept["policies"][0]) == ["name", "greedy"]  # the mode that was finished
    waves = [json.loads(line) for line in (cut / "partial.jsonl").read_text().splitlines()[1:]]
    assert [wave["whole"] for wave in waves] == [True, True, True, False]

    steps[0] = 0
    monkeypatch.setattr(worlds.Rooms, "step", counted)
    assert main([*words, "--out", str(cut)]) == 0
    assert 0 < steps[0] < needed / 2  # only the last of four waves is played again
    assert files(cut) == files(whole)
    assert "partial.jsonl" not in files(whole)


def test_an_evaluation_takes_no_other_ones_place(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", policy, "--mode", "greedy", "--env.max-turns", "3"]
    assert main([*words, "--seed", "1", "--out", str(tmp_path / "whole")]) == 0
    whole = files(tmp_path / "whole")
    assert main([*words, "--seed", "2", "--out", str(tmp_path / "whole")]) == 2
    assert "holds another evaluation, which would be lost" in capsys.readouterr().err
    assert main([*words, "--seed", "1", "--out", str(tmp_path / "whole")]) == 0
    assert files(tmp_path / "whole") == whole
    measured = measurement.evaluate

    def interrupted(*arguments: Any, **named: Any) -> Evaluation:
        measured(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(measurement, "evaluate", interrupted)
        assert main([*words, "--seed", "2", "--out", str(tmp_path / "cut")]) == 130
    kept = (tmp_path / "cut" / "partial.jsonl").read_bytes()
    assert main([*words, "--seed", "1", "--out", str(tmp_path / "cut")]) == 2
    assert "holds a part of another evaluation" in capsys.readouterr().err
    assert (tmp_path / "cut" / "partial.jsonl").read_bytes() == kept


def test_a_refused_evaluation_leaves_nothing(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in (["--tasks", "0"], ["--samples", "0"], ["--panel", "nowhere"]):
        assert main(["evaluate", policy, *more, "--out", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out").exists()
