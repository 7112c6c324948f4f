"""Battles on file: executed again, and as pages in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, find_chromium
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium, or put one on PATH")
    with Browser(program) as browser:
        yield browser


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
