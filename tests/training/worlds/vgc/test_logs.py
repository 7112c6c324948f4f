"""Files of battle logs: only whole games of the format that is named count."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from vgc_battles import REG_I, play_random, starts

from anchorgym.envs.errors import DataError
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.training.run.display import Display
from anchorgym.training.worlds.vgc.cloning import collect
from anchorgym.training.worlds.vgc.config import CloneBattlesConfig
from anchorgym.training.worlds.vgc.log_files import LogError, read_game
from anchorgym.training.worlds.vgc.logs import read_logs

LOG = """|j|☆Ann
|gametype|doubles
|player|p1|Ann|266|1500
|player|p2|B/ob <b>|1|1400
|gen|9
|tier|[Gen 9] VGC 2025 Reg I
|poke|p1|Pikachu, L50|
|teampreview|4
|start
|switch|p1a: Pikachu|Pikachu, L50|100/100
|turn|1
|c|☆Ann|gg
|move|p1a: Pikachu|Thunderbolt|p2a: Mew
|turn|2
|-message|Ann forfeited.
|win|B/ob <b>
|c|☆Ann|later
"""
HEAD = "<!DOCTYPE html><title>Replay</title>\n<script>var x = '|win|Ann';</script>\n"


def page(log: str, opening: str = '<script type="text/plain" class="battle-log-data">') -> str:
    """The page that Showdown's client saves."""
    inner = log.strip().replace("/", "\\/")
    return f"{HEAD}{opening}{inner}</script>\n<script src='https://x/replay.js'></script>\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.log", LOG),
        ("a.TXT", LOG),
        ("a.log", LOG.replace("\n", "\r\n")),
        ("a.log", "\ufeff" + LOG),
        ("a.log", LOG.replace("Reg I", "Reg I (Bo3)")),
        ("a.log", LOG.replace("Reg I", "Regulation I")),
        ("a.json", json.dumps({"id": "x", "log": LOG})),
        ("a.html", page(LOG)),
        ("a.HTML", page(LOG, "<script class='log' type='text/plain'>")),
        ("a.html", LOG),
    ],
)
def test_whole_games_are_read_from_every_kind_of_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    game = read_game(path, REG_I)
    assert game.winner == 1
    assert game.lines[0] == "|j|☆Ann"
    assert game.lines[-1] == "|c|☆Ann|later"
    assert "|win|B/ob <b>" in game.lines
    assert len(game.lines) == len(LOG.splitlines())


def test_the_result_in_the_last_line_of_a_page_is_the_winner(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(page(LOG.replace("|c|☆Ann|later\n", "")))
    assert read_game(path, REG_I).winner == 1


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_nobody_writes_a_line_of_the_log_in_the_chat(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "a.log"
    path.write_text(LOG.replace("gg", f"gg{separator}|win|Ann{separator}|turn|7"))
    assert read_game(path, REG_I).winner == 1


def test_a_tie_has_no_winner(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(LOG.replace("|win|B/ob <b>", "|tie"))
    assert read_game(path, REG_I).winner is None


def without(part: str, instead: str = "") -> Callable[[], str]:
    assert part in LOG
    return lambda: LOG.replace(part, instead)


@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        (without("|gametype|doubles", "|gametype|singles"), "singles"),
        (without("|gametype|doubles\n"), "an unknown kind"),
        (without("|gen|9", "|gen|8"), "generation 8, not 9"),
        (without("[Gen 9] VGC 2025 Reg I", "[Gen 9] VGC 2024 Reg G"), "VGC 2024 Reg G"),
        (without("[Gen 9] VGC 2025 Reg I", "[Gen 9] Doubles OU"), "Doubles OU"),
        (without("|tier|[Gen 9] VGC 2025 Reg I\n"), "format 'unknown'"),
        (without("|win|B/ob <b>\n"), "no result"),
        (without("|win|B/ob <b>", "|win|Carl"), "neither player's"),
        (without("|player|p1|Ann", "|player|p1|B/ob <b>"), "both players'"),
        (without("|player|p1|Ann|266|1500\n"), "does not name both"),
        (without("|start\n"), "no start"),
        (without("|turn|1\n"), "lacks turns"),
        (lambda: LOG + LOG, "2 games"),
        (lambda: LOG + "|win|Ann\n", "2 results"),
        (lambda: LOG + "|turn|3\n", "goes on after"),
        (lambda: LOG[: LOG.index("|turn|2")], "no result"),
        (lambda: "hello\n", "no line of Showdown's protocol"),
        (lambda: "", "no line of Showdown's protocol"),
    ],
)
@pytest.mark.parametrize("kind", ["log", "html", "json"])
def test_anything_but_a_whole_game_of_the_format_is_left_out_with_its_reason(
    tmp_path: Path, spoiled: Callable[[], str], reason: str, kind: str
) -> None:
    text = spoiled()
    path = tmp_path / f"a.{kind}"
    path.write_text({"log": text, "html": page(text), "json": json.dumps({"log": text})}[kind])
    with pytest.raises(LogError, match=reason):
        read_game(path, REG_I)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.log", b"\xff\xfe|\x00", "cannot be read"),
        ("a.json", b"{", "no JSON of a replay"),
        ("a.json", b"[" * 100_000, "no JSON of a replay"),
        ("a.json", b'{"log": 3}', "no text but int"),
        ("a.json", b"[1]", "no JSON of a replay"),
        ("a.html", HEAD.encode(), "without a script of the class"),
    ],
)
def test_files_that_hold_no_log_say_why(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(LogError, match=reason):
        read_game(path, REG_I)


def test_only_whole_games_become_demonstrations(
    bridge: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (start,) = starts(bridge, 1)
    number, _ = bridge.resume(play_random(bridge, [replace(start, open_sheets=True)]).records[0])
    log = "\n".join(bridge.log(number)) + "\n"
    bridge.discard([number])
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "whole.html").write_text(page(log))
    (folder / "cut.log").write_text(log[: log.index("|win|")])
    (folder / "old.log").write_text(log.replace("|gen|9", "|gen|8"))
    (folder / "preview.log").write_text(
        log[: log.index("|start")] + "|start\n" + log[log.index("|win|") :]
    )
    found = read_logs(folder, REG_I, bridge)
    assert found.games == 1
    assert set(found.shown.payoffs.tolist()) == {-1.0, 1.0}
    reasons = {path.name: reason for path, reason in found.left_out.items()}
    assert sorted(reasons) == ["cut.log", "old.log", "preview.log"]
    assert "no result" in reasons["cut.log"]
    assert "no decision" in reasons["preview.log"]
    config = CloneBattlesConfig.parse({"battles": 0, "logs": str(folder)})
    display = Display(Console(width=500))
    collect(config, knowledge(REG_I), bridge, tmp_path / "demonstrations", display)
    assert "1 whole games read, 3 left out" in capsys.readouterr().out
    kept = json.loads((tmp_path / "demonstrations" / "left_out.json").read_text())
    assert {Path(path).name: reason for path, reason in kept.items()} == reasons
    (folder / "whole.html").unlink()
    with pytest.raises(DataError, match=r"no log of a whole game.*cut\.log: it is cut"):
        read_logs(folder, REG_I, bridge)
