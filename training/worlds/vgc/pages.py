"""Self-contained HTML pages of battles, turn by turn, with health bars."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from anchorgym.envs.durable import write_file
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.replays import KeptBattle
from anchorgym.envs.vgc.text import event
from anchorgym.training.config.run_folders import require_own_file
from anchorgym.training.inspect.viewing import is_page, page_of

_FOLDER = files("anchorgym.training.worlds.vgc") / "page"
_PAGE = "battle.html"
_STYLE = "battle.css"
_SCRIPTS = ("dom.js", "battle.js")


def write_battle_page(bridge: Bridge, battle: KeptBattle, path: Path) -> None:
    """Execute a battle and write its page."""
    require_own_file(path, is_page)
    title = f"{battle.players[0]} against {battle.players[1]}"
    data = retold(bridge, battle)
    path.parent.mkdir(parents=True, exist_ok=True)
    page = page_of(_PAGE, _SCRIPTS, _STYLE, title, data, _FOLDER)
    write_file(path, page)


def retold(bridge: Bridge, battle: KeptBattle) -> dict[str, Any]:
    """Return the content of a battle's page as JSON values.

    Each event has its text, its subject, and the changes: Pokémon by side and place, as
    species, health in per cent, status, whether fainted, place on the field, whether seen, and
    tera type.
    """
    number, _ = bridge.resume(battle.record)
    try:
        story = bridge.story(number)
    finally:
        bridge.discard([number])
    turns: list[dict[str, Any]] = [{"number": 0, "events": []}]
    before: Any = ([], [])
    for one in story:
        if one["line"].startswith("|turn|"):
            turns.append({"number": int(one["line"].split("|")[2]), "events": []})
            words = ""
        else:
            words = event(one["line"], None)
        changed = _changes(before, one["sides"])
        if words or changed:
            turns[-1]["events"].append(_event(one, words, changed))
        before = one["sides"]
    return {
        "players": list(battle.players),
        "format": battle.record.format,
        "winner": battle.winner,
        "seed": list(battle.record.seed),
        "digest": battle.digest,
        "turns": turns,
    }


def _event(one: dict[str, Any], words: str, changed: list[list[Any]]) -> dict[str, Any]:
    kind = one["line"].split("|")[1]
    return {
        "words": words,
        "kind": kind,
        "changed": changed,
        "field": one["fields"],
        "conditions": one["conditions"],
    }


def _changes(before: Any, after: Any) -> list[list[Any]]:
    """Return the changed Pokémon: side, number, and present state."""
    return [
        [side, number, *pokemon]
        for side, team in enumerate(after)
        for number, pokemon in enumerate(team)
        if number >= len(before[side]) or before[side][number] != pokemon
    ]
