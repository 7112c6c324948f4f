"""Every text of a run folder is shown as text: none becomes markup in the page."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worlds  # noqa: F401
from browser import Browser
from injecting_world import ATTACK
from small_runs import write_run

from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.inspect.viewing import write_page

Place = tuple[str | int, ...]


def text_fields(value: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Place]:
    """Return the first place of every kind of text in a JSON value, keys of objects included."""
    fields: dict[tuple[str, ...], Place] = {}

    def walk(value: Any, kind: tuple[str, ...], place: Place) -> None:
        if isinstance(value, str):
            fields.setdefault(kind, place)
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, (*kind, key), (*place, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, kind, (*place, index))

    walk(value, at, ())
    return fields


def attacked(value: Any, place: Place) -> Any:
    """Return a JSON value whose text at one place is an attack."""
    if not place:
        return f"{ATTACK}{value}"
    inner = attacked(value[place[0]], place[1:])
    if isinstance(value, dict):
        return {**value, place[0]: inner}
    index = int(place[0])
    return [*value[:index], inner, *value[index + 1 :]]


def pages(run: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Yield a name and a page for every text of a run that can be changed to an attack."""
    files = [run / "config.json", run / "result.json", run / "metrics.jsonl"]
    files += [run / "episodes" / "train-00001.jsonl", run / "episodes" / "after-greedy.jsonl"]
    for file in files:
        lines = file.suffix == ".jsonl"
        text = file.read_text(encoding="utf-8")
        value = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
        for kind, place in text_fields(value).items():
            changed = attacked(value, place)
            folder = scratch / "run"
            shutil.copytree(run, folder)
            written = (
                "".join(json.dumps(record) + "\n" for record in changed)
                if lines
                else json.dumps(changed)
            )
            (folder / file.relative_to(run)).write_text(written, encoding="utf-8")
            name = f"{file.name}: {'.'.join(kind)}"
            with contextlib.suppress(AnchorgymError):  # refused is as good
                yield name, write_page(folder).path
            shutil.rmtree(folder)


@pytest.mark.slow
def test_no_text_of_a_run_becomes_markup(browser: Browser, tmp_path: Path) -> None:
    run = write_run(tmp_path / "whole", iterations=[1])
    shown = []
    for name, page in pages(run, tmp_path):
        browser.look()
        browser.open(page, "#train-00001/0/0")
        assert browser.run("typeof window.harmed") == "undefined", name
        assert browser.run("document.querySelectorAll('img').length") == 0, name
        assert browser.complaints == [], name
        shown.append(name)
    assert len(shown) >= 24
