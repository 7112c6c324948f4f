"""What all commands have in common that train: folders, resuming, dry runs."""

from __future__ import annotations

import json
from pathlib import Path

import parallel_worlds  # noqa: F401  (registers the test worlds)
import pytest

from anchorgym.envs.durable import NEW, OLD, ForeignFilesError, whole_folder
from anchorgym.training.cli import main
from anchorgym.training.config.run_folders import (
    RunBusyError,
    RunExistsError,
    alone,
    claimed,
    free_folder,
)
from anchorgym.training.config.section import ConfigError
from anchorgym.training.config.sections import TrainConfig

TRAINING = ("train", "selfplay test/Cards-v0", "vgc clone", "vgc train", "overcooked train")
WAYS = (["test/Cards-v0"], ["--env", "test/Cards-v0"], ["@job.toml"])
SMALL = ("--ppo.iterations", "1", "--ppo.games", "2", "--ppo.ticks", "5", "--ppo.horizon", "5")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", TRAINING)
def test_a_dry_run_prints_every_setting_and_leaves_nothing(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--seed", "7", "--threads", "2", "--dry-run"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["seed"], printed["threads"]) == (7, 2)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("command", TRAINING)
def test_what_is_resumed_has_its_own_settings(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = " ".join(word for word in command.split() if "/" not in word)
    assert main([*name.split(), "--resume", "runs/x", "--seed", "3", "--out", "y"]) == 2
    said = capsys.readouterr().err
    assert "leave out --seed, --out" in said
    assert main([*name.split(), "--resume", "runs/x"]) == 2
    assert f"give the folder that `anchorgym {name}` named" in capsys.readouterr().err


def test_a_run_gets_a_free_folder_and_never_one_that_is_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["overcooked", "train", "--quiet", *SMALL]
    assert main(words) == main(words) == 0
    assert capsys.readouterr().out == ""
    names = sorted(path.name for path in Path("runs").iterdir())
    assert names == ["overcooked-cramped_room-s0", "overcooked-cramped_room-s0-2"]
    kept = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    assert main([*words, "--out", f"runs/{names[0]}"]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert kept == {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    assert main(["overcooked", "train", "--resume", f"runs/{names[0]}"]) == 0
    assert "is finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["overcooked", "train", *SMALL],
        ["overcooked", "crossplay", "random", "greedy", "--games", "2"],
        ["train", "--env", "anchorgym/ALFWorld-v0"],
        ["selfplay", "anchorgym/RedTeam-v0"],
        ["evaluate", "random", "--env", "anchorgym/ALFWorld-v0", "--tasks", "1"],
    ],
)
def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    mine = Path("mine")
    (mine / "policy").mkdir(parents=True)
    (mine / "thesis.tex").write_text("years of work")
    (mine / "policy" / "notes").write_text("more")
    assert main([*words, "--out", "mine"]) == 2
    assert "holds files that anchorgym has not written" in capsys.readouterr().err
    assert (mine / "thesis.tex").read_text() == "years of work"
    assert (mine / "policy" / "notes").read_text() == "more"
    assert len(list(mine.rglob("*"))) == 3


def test_a_cook_is_trained_in_a_marked_folder_and_plays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["overcooked", "train", "--out", "cook", *SMALL]) == 0
    assert {path.name for path in Path("cook").iterdir()} == {
        "anchorgym.json",
        "config.json",
        "policy",
    }
    assert main(["overcooked", "crossplay", "cook", "own=cook/policy", "--games", "2"]) == 0
    assert "| own |" in capsys.readouterr().out
    assert main(["train", "--resume", "cook"]) == 2
    said = capsys.readouterr().err
    assert "was written by `anchorgym overcooked train`" in said
    assert "anchorgym overcooked train --resume cook" in said


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    config, folder = TrainConfig(), tmp_path / "run"
    with claimed(config, folder, "anchorgym train", resume=False) as goes_on:
        assert not goes_on
        other = claimed(config, folder, "anchorgym train", resume=True)
        with pytest.raises(RunBusyError), other:
            pass
    with pytest.raises(RunExistsError), claimed(config, folder, "x", resume=False):
        pass
    with claimed(config, folder, "anchorgym train", resume=True) as goes_on:
        assert goes_on
    changed = TrainConfig(seed=1)
    with (
        pytest.raises(ConfigError, match="seed was 0, is 1"),
        claimed(changed, folder, "anchorgym train", resume=True),
    ):
        pass
    with alone(folder):
        pass


def test_free_folders_are_counted_up() -> None:
    assert free_folder("a") == Path("runs/a")
    Path("runs/a").mkdir(parents=True)
    Path("runs/a-2").mkdir()
    assert free_folder("a") == Path("runs/a-3")


def test_the_environment_is_given_in_one_way_everywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("job.toml").write_text('env = "test/Cards-v0"\n')
    printed = []
    for words in (
        ["test/Cards-v0"],
        ["--env", "test/Cards-v0"],
        ["--env.id=test/Cards-v0"],
        ["@job.toml"],
    ):
        assert main(["selfplay", *words, "--dry-run"]) == 0
        printed.append(capsys.readouterr().out)
    assert len(set(printed)) == 1
    for words in WAYS:
        assert main(["check", *words, "--env.max-turns", "3"]) == 0


def test_a_file_of_somebody_else_is_not_written_over(capsys: pytest.CaptureFixture[str]) -> None:
    thesis = Path("thesis.tex")
    thesis.write_text("years of work")
    assert main(["overcooked", "train", "--out", "cook", *SMALL]) == 0
    capsys.readouterr()
    for words in (
        ["view", "cook", "--out", "thesis.tex"],
        ["play", "worlds:test/Rooms-v0", "--record", "thesis.tex"],
    ):
        assert main(words) == 2
        assert "has not written, and would be lost" in capsys.readouterr().err
    for _ in range(2):  # a page of before is replaced
        assert main(["view", "cook", "--out", "page.html"]) == 0
    assert thesis.read_text() == "years of work"


def test_a_folder_of_another_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overcooked", "train", "--out", "cook", *SMALL]) == 0
    assert main(["overcooked", "crossplay", "random", "--games", "2", "--out", "cook"]) == 2
    assert "was written by `anchorgym overcooked train`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("config.json", b"[" * 100_000),
        ("config.json", b'{"seed": 1e999}'),
        ("config.json", b'{"seed": '),
        ("config.json", b"\xff\xfe{}"),
        ("config.json", b""),
        ("anchorgym.json", b""),
        ("anchorgym.json", b"[" * 100_000),
        ("anchorgym.json", b"\xff"),
    ],
)
def test_a_damaged_file_of_a_run_is_named_with_what_to_do(
    name: str, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["overcooked", "train", "--out", "cook", *SMALL]) == 0
    Path("cook", name).write_bytes(data)
    capsys.readouterr()
    assert main(["overcooked", "train", "--resume", "cook"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert f"cook/{name}" in said
    assert "ut the file back" in said
    assert said.count("\n") == 1


def test_a_file_is_no_run_to_resume(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    for command in ("train", "selfplay", "vgc train"):
        assert main([*command.split(), "--resume", "file"]) == 2
        assert "file is a file: give the folder" in capsys.readouterr().err


def test_what_others_have_put_into_a_policys_folder_is_not_lost() -> None:
    with whole_folder(Path("policy")) as fresh:
        (fresh / "weights").write_text("old")
    Path("policy/notes").write_text("years of work")
    with pytest.raises(ForeignFilesError, match="holds 'notes', which would be lost"):  # noqa: SIM117
        with whole_folder(Path("policy")) as fresh:
            (fresh / "weights").write_text("new")
    assert Path("policy/notes").read_text() == "years of work"
    assert Path("policy/weights").read_text() == "old"


def test_what_an_interrupted_save_has_left_is_cleared_away() -> None:
    for leftover in (Path("policy" + NEW), Path("policy" + OLD)):
        leftover.mkdir()
        (leftover / "half").write_text("cut off")
    with whole_folder(Path("policy")) as fresh:
        (fresh / "weights").write_text("new")
    assert [path.name for path in Path().iterdir()] == ["policy"]
    assert [path.name for path in Path("policy").iterdir()] == ["weights"]
