"""The page of a run: what is in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from injecting_world import ATTACK
from small_runs import write_run

from anchorgym.training.cli import main
from anchorgym.training.inspect.trajectories import read_trajectories
from anchorgym.training.inspect.viewing import pack_files, write_page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "rooms & <co>")


@pytest.fixture(scope="module")
def page(run: Path) -> Path:
    return write_page(run).path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(
        write_run(tmp_path_factory.mktemp("runs") / "hostile", "test/Injecting-v0")
    ).path


def embedded(page: Path) -> dict[str, Any]:
    """Return the data of a page as a browser would read it."""
    (block,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S
    )
    return dict(json.loads(block))


def test_the_command_writes_a_page_and_prints_its_path(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "view.html")
    assert main(["view", str(run), "--out", str(tmp_path / "new" / "page.html")]) == 0
    assert (tmp_path / "new" / "page.html").read_text() == (run / "view.html").read_text()


def test_a_page_needs_nothing_else(page: Path) -> None:
    text = page.read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", text)
    assert "default-src 'none'" in text
    outside = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert outside <= {"http://www.w3.org/2000/svg"}, "a name, never an address that is asked"


def test_every_turn_is_in_the_page_as_it_was_recorded(run: Path, page: Path) -> None:
    data = embedded(page)
    assert [file["name"] for file in data["files"]] == [
        "before-greedy",
        "train-00001",
        "train-00003",
        "after-greedy",
    ]
    for file in data["files"]:
        _, episodes = read_trajectories(run / "episodes" / f"{file['name']}.jsonl")
        packed = [e for group in file["groups"] for e in group["episodes"]]
        for episode, seen in zip(episodes, packed, strict=True):
            assert seen["won"] == episode["won"]
            assert file["texts"][seen["end"]] == episode["final_observation"]
            for turn, row in zip(episode["turns"], seen["turns"], strict=True):
                assert file["texts"][row[0]] == turn["observation"]
                assert file["texts"][row[2]] == turn["action"]
                assert row[6] == turn.get("advantage")
                assert row[7] == turn.get("step_group", row[7])


def test_settings_that_differ_from_the_defaults_come_first(page: Path) -> None:
    settings = embedded(page)["settings"]
    changed = {row["key"]: row["value"] for row in settings if row["changed"]}
    expected = {"env.id": "test/Rooms-v0", "seed": 5, "rollout.iterations": 3}
    assert changed == {**expected, "algorithm.gamma": 0.9}
    assert [row["changed"] for row in settings] == sorted(
        (row["changed"] for row in settings), reverse=True
    )
    assert embedded(page)["gamma"] == 0.9


def test_options_that_a_run_spells_out_are_compared_with_the_algorithms_own(
    run: Path, tmp_path: Path
) -> None:
    config = json.loads((run / "config.json").read_text())
    config["algorithm"] |= {"gamma": 0.95, "norm": "none", "similarity": None}
    (tmp_path / "config.json").write_text(json.dumps(config))
    settings = embedded(write_page(tmp_path).path)["settings"]
    changed = {row["key"] for row in settings if row["changed"]}
    assert {key for key in changed if key.startswith("algorithm.")} == {"algorithm.norm"}


def test_no_text_of_the_world_is_markup(hostile: Path) -> None:
    text = hostile.read_text()
    assert ATTACK not in text
    assert text.count("<script") == 2
    assert text.count("</script") == 2
    goals = {group["goal"] for file in embedded(hostile)["files"] for group in file["groups"]}
    assert all(goal.startswith(ATTACK) for goal in goals)


def test_what_does_not_fit_is_left_out_in_whole_groups_and_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_page(run, tmp_path / "whole.html")
    cut = write_page(run, tmp_path / "cut.html", budget=9000)
    assert whole.left_out == 0
    assert cut.left_out > 0
    assert cut.episodes + cut.left_out == whole.episodes
    assert cut.size < whole.size - 10_000
    files = {file["name"]: file for file in embedded(cut.path)["files"]}
    shown = {name: file["shown"] for name, file in files.items()}
    assert shown["train-00001"] > 0
    assert sum(shown.values()) == cut.episodes
    assert all(len(g["episodes"]) == 6 for g in files["train-00001"]["groups"])
    monkeypatch.setattr("anchorgym.training.inspect.viewing.write_page", lambda *_: cut)
    assert main(["view", str(run)]) == 0
    assert f"{cut.left_out} of {whole.episodes} recorded episodes are left out" in (
        capsys.readouterr().err
    )


def test_a_budget_is_spent_on_the_whole_course_of_a_run(run: Path, tmp_path: Path) -> None:
    original = run / "episodes" / "train-00001.jsonl"
    paths = [tmp_path / f"train-{n:05}.jsonl" for n in range(1, 18)]
    for path in paths:
        path.write_text(original.read_text())
    (whole,), _ = pack_files(paths[:1], 10**9)
    size = len(json.dumps([whole["groups"], whole["texts"]]))
    files, _ = pack_files(paths, 5 * size)
    kept = [i for i, file in enumerate(files) if file["shown"] == file["recorded"]]
    assert {0, 8, 16} <= set(kept), "both ends and the middle"
    assert len(kept) < len(paths)


@pytest.mark.parametrize("kept", ["config.json", "metrics.jsonl", "episodes"])
def test_a_run_that_left_little_has_a_page(run: Path, tmp_path: Path, kept: str) -> None:
    source = run / kept
    if source.is_dir():
        (tmp_path / kept).mkdir()
        (tmp_path / kept / "train-00001.jsonl").write_text(
            (source / "train-00001.jsonl").read_text()
        )
        (tmp_path / kept / "train-00002.jsonl").write_text("cut of")
    else:  # as if the run was killed while it wrote
        (tmp_path / kept).write_text(source.read_text() + '{"phase": "tr')
    if kept == "config.json":
        (tmp_path / kept).write_text(source.read_text())
    written = write_page(tmp_path)
    data = embedded(written.path)
    assert data["finished"] is False
    assert (written.episodes > 0) == (kept == "episodes")
    assert len(written.unreadable) == (kept == "episodes")
    assert len(data["records"].get("train", [])) == (3 if kept == "metrics.jsonl" else 0)


def test_numbers_that_json_lacks_and_turns_that_lack_something_do_no_harm(
    run: Path, tmp_path: Path
) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"phase": "train", "iteration": 1, "loss": NaN}\n')
    header, episode = (run / "episodes/train-00001.jsonl").read_text().splitlines()[:2]
    (tmp_path / "episodes").mkdir()
    whole = tmp_path / "episodes" / "train-00001.jsonl"
    whole.write_text(header + "\n" + episode.replace('"reason"', '"raison"') + "\n")
    written = write_page(tmp_path)
    assert embedded(written.path)["records"]["train"][0]["loss"] is None
    assert "turn 1 lacks reason" in written.unreadable[0]


def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
