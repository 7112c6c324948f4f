"""What a run has written goes back to its checkpoint, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchorgym.training.config.general import CheckpointConfig
from anchorgym.training.run.checkpoints import CheckpointError
from anchorgym.training.run.reading import MetricsError, read_metrics
from anchorgym.training.run.recovery import Recovery, Written

WRITTEN = Written(texts=("league.json",), entries=("players/player-*",))


def begun(folder: Path) -> Recovery:
    return Recovery(folder, WRITTEN, CheckpointConfig(seconds=0))


def write(folder: Path, number: int) -> None:
    """Write as a step of a run does."""
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(f'{{"phase": "train", "number": {number}}}\n')
    (folder / "league.json").write_text(str(number))
    (folder / f"players/player-{number}").mkdir(parents=True)


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
        if "checkpoints" not in str(path)
    }


def test_what_came_after_the_checkpoint_is_taken_back(tmp_path: Path) -> None:
    recovery = begun(tmp_path)
    write(tmp_path, 1)
    recovery.save({"n": 1})
    before = everything(tmp_path)
    write(tmp_path, 2)
    (tmp_path / "players" / "player-3.anchorgym-new").mkdir()
    again = begun(tmp_path)
    assert again.saved is not None
    assert again.saved.state["n"] == 1
    assert everything(tmp_path) == before


def test_without_a_checkpoint_everything_is_taken_back_but_what_others_wrote(
    tmp_path: Path,
) -> None:
    write(tmp_path, 1)
    for mine in ("notes.txt", "players/notes.txt", "policy.old"):
        (tmp_path / mine).write_text("years of work")
    assert begun(tmp_path).saved is None
    assert sorted(everything(tmp_path)) == [
        "notes.txt",
        "players",
        "players/notes.txt",
        "policy.old",
    ]


@pytest.mark.parametrize("lost", ["metrics.jsonl", "players/player-1"])
def test_what_is_missing_is_named_with_what_to_do(lost: str, tmp_path: Path) -> None:
    recovery = begun(tmp_path)
    write(tmp_path, 1)
    recovery.save({})
    path = tmp_path / lost
    path.rename(tmp_path / "moved")
    with pytest.raises(CheckpointError, match=f"{path.name} is .*: put it back, or begin"):
        begun(tmp_path)


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"[" * 100_000, b"1", b'{"loss": 1}'])
def test_a_damaged_line_of_metrics_is_named(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"phase": "train"}\n' + line + b"\n")
    with pytest.raises(MetricsError, match=r"line 2 of .*metrics\.jsonl is damaged .*put the file"):
        read_metrics(path)
