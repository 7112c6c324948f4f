"""Battles on file: executed again, and as pages in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from vgc_battles import play_random, starts

from anchorgym.envs.errors import DataError
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.replays import KeptBattle, keep, read_battles, write_battles
from anchorgym.training.cli import main
from anchorgym.training.worlds.vgc.pages import retold, write_battle_page

HOSTILE = "</script><script>document.title = 'taken'</script>"


@pytest.fixture(scope="module")
def battles(bridge: Bridge) -> list[KeptBattle]:
    records = play_random(bridge, starts(bridge, 3)).records
    return [keep(bridge, record, ("clone", HOSTILE)) for record in records]


@pytest.fixture
def file(battles: list[KeptBattle], tmp_path: Path) -> Path:
    path = tmp_path / "battles.jsonl"
    write_battles(path, battles)
    return path


def test_battles_come_back_from_their_file(battles: list[KeptBattle], file: Path) -> None:
    assert list(read_battles(file)) == battles


def test_battles_are_executed_as_recorded(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--verify", str(file)]) == 0
    assert "3 battles executed" in capsys.readouterr().out


def _leave_out(body: dict[str, Any]) -> None:
    body["record"]["steps"].pop(3)


def _reseed(body: dict[str, Any]) -> None:
    body["record"]["seed"][0] += 1


def _other_winner(body: dict[str, Any]) -> None:
    body["winner"] = 1 - body["winner"]


@pytest.mark.parametrize("change", [_leave_out, _reseed, _other_winner])
def test_what_was_changed_is_found(
    file: Path, capsys: pytest.CaptureFixture[str], change: Any
) -> None:
    header, first, *rest = file.read_text().splitlines()
    body = json.loads(first)
    change(body)
    file.write_text("\n".join([header, json.dumps(body), *rest]) + "\n")
    assert main(["replay", "--verify", str(file)]) == 1
    told = capsys.readouterr().out
    assert "battle 1:" in told
    assert "1 not as recorded" in told


Leaf = tuple[Any, ...]


def leaves(value: Any, way: Leaf = ()) -> Iterator[Leaf]:
    """The ways to all values in JSON that are no lists or objects."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*way, key))
    else:
        yield way


def changed(value: Any) -> Any:
    """Another value of the same type where there is one."""
    if isinstance(value, bool) or value is None:
        return not value
    return 1 - value if value in (0, 1) else value + 1 if isinstance(value, int) else f"{value}0"


def edited(file: Path, way: Leaf, value: Any, *, sealed: bool) -> None:
    """Put another value into the first battle of a file."""
    header, first, *rest = file.read_text().splitlines()
    body, head = json.loads(first), json.loads(header)
    inner = body
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = changed(inner[way[-1]]) if value is None else value
    if not sealed:
        head = {key: one for key, one in head.items() if key not in ("digest", "battles")}
    file.write_text("\n".join([json.dumps(head), json.dumps(body), *rest]) + "\n")


def test_any_value_of_a_battle_that_was_changed_is_found(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = file.read_text()
    body = json.loads(text.splitlines()[1])
    for way in leaves(body):
        edited(file, way, None, sealed=True)
        assert main(["replay", "--verify", str(file)]) in (1, 2), way
        said = capsys.readouterr()
        assert "all as recorded" not in said.out
        assert str(file) in said.out + said.err
        file.write_text(text)
    assert main(["replay", "--verify", str(file)]) == 0


def test_execution_finds_what_was_changed_without_a_digest(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = file.read_text()
    body = json.loads(text.splitlines()[1])
    steps = body["record"]["steps"]
    changes: list[tuple[Leaf, Any]] = [
        *[(("winner",), None), (("digest",), None)],
        *[(way, None) for way in leaves(body) if way[:2] == ("record", "seed")],
        *[(way, None) for way in leaves(body) if way[:2] == ("record", "open_sheets")],
        (("record", "teams", 0), body["record"]["teams"][0].replace("252", "4")),
        (("record", "format"), "gen9vgc2024regg"),
        (("record", "steps"), steps[:-1]),
        (("record", "steps"), [*steps[:2], *steps[3:]]),
        (("record", "steps"), steps + [["default", "default", None]] * 3000),
        (("record", "steps"), [*steps[:2], [None, None, None], *steps[2:]]),
    ]
    for way, value in changes:
        edited(file, way, value, sealed=False)
        assert main(["replay", "--verify", str(file)]) == 1, (way, value)
        said = capsys.readouterr().out
        assert "1 not as recorded" in said
        assert "names, and choices that change nothing, were not verified" in said
        file.write_text(text)
    edited(file, ("players", 0), "somebody else", sealed=False)
    assert main(["replay", "--verify", str(file)]) == 0
    assert "the players' names, and choices" in capsys.readouterr().out


def test_a_battle_that_was_left_out_is_found(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *battles = file.read_text().splitlines()
    file.write_text("\n".join([header, *battles[1:]]) + "\n")
    assert main(["replay", "--verify", str(file)]) == 1
    assert "number of battles was 3, is 2" in capsys.readouterr().out
    assert main(["replay", "--verify", str(file), "--episode", "1"]) == 0
    assert "a single battle: the players' names" in capsys.readouterr().out
    file.write_text(header + "\n")
    assert main(["replay", "--verify", str(file)]) == 1


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("winner",), True),
        (("players",), ["one"]),
        (("players", 0), 3),
        (("record", "open_sheets"), "no"),
        (("record", "seed", 0), 2**16),
        (("record", "seed", 0), "7"),
        (("record", "steps", 0, 0), 3),
        (("record", "teams"), None),
        (("record",), []),
    ],
)
def test_what_is_no_battle_is_unreadable_and_nothing_is_said_to_be_as_recorded(
    file: Path, way: Leaf, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(file, way, [] if value is None else value, sealed=True)
    assert main(["replay", "--verify", str(file)]) == 2
    said = capsys.readouterr()
    assert "line 2 of" in said.err
    assert "0 battles" in said.out
    assert "nothing was verified; 1 files unreadable" in said.out


def test_files_that_are_none_are_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = file.read_text()
    file.write_text(text.replace('"simulator": "', '"simulator": "0'))
    with pytest.raises(DataError, match="recorded with version"):
        list(read_battles(file))
    file.write_text(text[: len(text) // 2])
    assert main(["replay", "--verify", str(file)]) == 2
    assert "is no battle" in capsys.readouterr().err


def test_a_page_tells_the_whole_battle(
    bridge: Bridge, battles: list[KeptBattle], browser: Browser, tmp_path: Path
) -> None:
    page = tmp_path / "battle.html"
    write_battle_page(bridge, battles[0], page)
    data = retold(bridge, battles[0])
    browser.open(page)
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("file:")] == []
    assert browser.run("document.querySelectorAll('.turn').length") == len(data["turns"])
    assert browser.run("document.querySelectorAll('.active .pokemon').length") == 4
    assert "against" in browser.run("document.title")
    assert HOSTILE in browser.run("document.querySelector('h1').textContent")
    browser.run("document.getElementById('end').click()")
    health = browser.run("[...document.querySelectorAll('.bar')].map(e => e.ariaValueNow)")
    assert "0" in health
    winner = battles[0].winner
    assert winner is not None
    loser = f".side.{('one', 'two')[1 - winner]} .pokemon:not(.fainted):not(.unseen)"
    assert browser.run(f"document.querySelectorAll({json.dumps(loser)}).length") == 0
    browser.run("document.getElementById('start').click()")
    assert browser.run("document.getElementById('back').disabled") is True
    browser.press("ArrowRight")
    assert browser.run("document.getElementById('slider').value") == "1"
    before = browser.run("document.getElementById('where').textContent")
    browser.run("document.getElementById('turn').click()")
    browser.run("document.getElementById('turn').click()")
    assert browser.run("document.getElementById('where').textContent") != before
    assert browser.complaints == []
