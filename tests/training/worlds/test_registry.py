"""Worlds that other packages bring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anchorgym.training.cli import main
from anchorgym.training.worlds.registry import (
    find_player_loader,
    find_record_format,
    worlds,
)

PACKAGE = """
from anchorgym.training.commands.command import Command
from anchorgym.training.worlds.registry import World


def run(known, given):
    print("the king greets you")
    return 0


COMMAND = Command("chess greet", "Greet whoever plays chess.", "Prints a greeting.", (), run)
WORLD = World(
    "chess",
    "Greet and install chess.",
    {"greet": "my_chess:COMMAND"},
    former={"chess-greet": "greet"},
    players="my_chess:Players",
    records="my_chess:Records",
    setup="my_chess:install",
    setup_about="The pieces of the game.",
)


class Players:
    def recognises(self, folder):
        return (folder / "king").exists()

    def load(self, folder, env, seed):
        return f"player of {folder.name}"


class Records:
    def recognises(self, path):
        return path.suffix == ".pgn"

    def replay(self, files, *, verify, pages, only):
        print("replayed", [file.name for file in files], verify)
        return 1


def install(*, force):
    return f"pieces installed, force={force}"
"""


@pytest.fixture
def chess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that is installed beside ours."""
    (tmp_path / "my_chess.py").write_text(PACKAGE)
    about = tmp_path / "my_chess-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-chess\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[anchorgym.worlds]\nchess = my_chess:WORLD\n")
    monkeypatch.syspath_prepend(tmp_path)
    worlds.cache_clear()
    yield tmp_path
    worlds.cache_clear()


def test_a_world_of_another_package_has_its_commands(
    chess: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chess", "greet"]) == 0
    assert capsys.readouterr().out == "the king greets you\n"
    assert main(["--help"]) == 0
    assert "chess greet" in capsys.readouterr().out
    assert main(["chess-greet"]) == 2
    assert "is now `anchorgym chess greet`" in capsys.readouterr().err
    assert main(["chss"]) == 2
    assert "Did you mean 'chess'" in capsys.readouterr().err


def test_a_world_of_another_package_has_players_records_and_a_setup(
    chess: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (chess / "mate").mkdir()
    assert find_player_loader(chess / "mate") is None
    (chess / "mate" / "king").write_text("")
    loader = find_player_loader(chess / "mate")
    assert loader is not None
    assert str(loader.load(chess / "mate", None, 0)) == "player of mate"
    game = chess / "game.pgn"
    game.write_text("1. e4")
    assert find_record_format(game) is not None
    assert main(["replay", str(game), "--verify"]) == 1
    assert "replayed ['game.pgn'] True" in capsys.readouterr().out
    assert main(["setup", "chess", "--force"]) == 0
    assert "pieces installed, force=True" in capsys.readouterr().out
    assert main(["setup"]) == 0
    assert "chess\tThe pieces of the game." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("named", "said"), [("my_chess:install", "is no"), ("no_chess:WORLD", "cannot import")]
)
def test_an_entry_point_that_names_no_world_is_left_out_with_a_warning(
    chess: Path, named: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    entry = chess / "my_chess-1.0.dist-info" / "entry_points.txt"
    entry.write_text(f"[anchorgym.worlds]\nchess = {named}\n")
    assert "chess" not in worlds()
    assert "vgc" in worlds()
    assert "'chess' is left out" in caplog.text
    assert said in caplog.text


def test_ours_are_found_by_their_folders() -> None:
    assert {"overcooked", "redteam", "vgc", "webshop"} <= set(worlds())
