"""The official games: found, indexed, cached, and won by their own walkthroughs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from damaged_caches import check_every_damage

from anchorgym.envs.alfworld import data as data_module
from anchorgym.envs.alfworld.data import GAME_FILE, OfficialGames, official_games
from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.cache import cache_folder
from anchorgym.envs.errors import (
    CorruptGameError,
    DataError,
    UnknownSplitError,
    UnknownTaskError,
)

PLACE = "pick_and_place_simple-Apple-None-Fridge-1/trial_1"
LOOK = "look_at_obj_in_light-A-None-B-2/trial_2"


def test_all_official_games_are_indexed_once_and_then_remembered(
    official_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = OfficialGames(official_folder).tasks("train")
    with monkeypatch.context() as patch:
        patch.setattr(data_module, "_is_solvable", lambda *_: pytest.fail("made anew"))
        assert OfficialGames(official_folder).tasks("train") == tasks
    assert len(tasks) == 3553
    assert list(tasks) == sorted(set(tasks))
    seen = OfficialGames(official_folder).tasks("valid_seen")
    assert len(seen) == 140
    assert not set(seen) & set(tasks)


@pytest.mark.parametrize("stride", [40, pytest.param(1, marks=pytest.mark.slow)])
def test_official_walkthroughs_win_on_exactly_their_last_step(
    official_folder: Path, stride: int
) -> None:
    games = OfficialGames(official_folder)
    for split in games.splits:
        for task in games.tasks(split)[::stride]:
            file = games.root / split / task / GAME_FILE
            walkthrough = json.loads(file.read_text())["walkthrough"]
            world = World(games.game(task))
            won = []
            for command in walkthrough:
                assert command in world.admissible(), (task, command)
                world.step(command)
                won.append(world.won)
            assert won == [False] * (len(won) - 1) + [True], task
            assert games.task_type(task) == world.game.goal.task_type


def test_games_that_the_official_loader_leaves_out_are_left_out(small_data: Path) -> None:
    games = OfficialGames(small_data)
    assert games.tasks("train") == (LOOK, PLACE)
    assert games.game(PLACE).task == 'put a "bowl" away.'
    with pytest.raises(UnknownTaskError, match="not marked as solvable"):
        games.game(PLACE.replace("trial_1", "trial_unsolvable"))


@pytest.mark.parametrize(
    "task",
    [
        "",
        "/",
        PLACE.partition("/")[0],
        f"{PLACE}/game.tw-pddl",
        f"../train/{PLACE}",
        f"{PLACE.partition('/')[0]}/../{PLACE.partition('/')[2]}",
        "pick_and_place_simple-Apple-None-Fridge-1/trial_without_game",
        "pick_and_place_with_movable_recep-Apple-Bowl-Fridge-1/trial_3",
        "x" * 100_000,
    ],
)
def test_ids_of_no_game_are_unknown(small_data: Path, task: str) -> None:
    with pytest.raises(UnknownTaskError, match="unknown task"):
        OfficialGames(small_data).game(task)


def test_an_unknown_task_is_told_its_nearest(small_data: Path) -> None:
    with pytest.raises(UnknownTaskError, match=rf"Did you mean '{PLACE}'\?"):
        OfficialGames(small_data).game(PLACE.replace("Apple", "Aple"))


def test_missing_data_is_told_with_its_remedy(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / "json_2.1.1").mkdir(parents=True)
    for folder, message in (
        (tmp_path / "nowhere", "there is no folder"),
        (tmp_path, "does not hold json_2.1.1/"),
        (small_data / "json_2.1.1", "give the folder above"),
        (tmp_path / "empty", "holds none of train, valid_seen, valid_unseen"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            OfficialGames(folder)
        assert "alfworld-download" in str(caught.value)
    games = OfficialGames(small_data)
    with pytest.raises(DataError, match="lacks the split 'valid_unseen'; it has: train"):
        games.tasks("valid_unseen")
    with pytest.raises(UnknownSplitError, match="valid_seen"):
        games.tasks("validseen")
    (small_data / "json_2.1.1" / "valid_seen").mkdir()
    with pytest.raises(DataError, match="holds 0 games"):
        OfficialGames(small_data).tasks("valid_seen")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"solvable": true}',
        b'{"solvable": true, "grammar": "", "pddl_problem": ""}',
        b"[" * 100_000,
    ],
)
def test_a_corrupt_game_is_told_when_it_is_played_and_harms_no_other(
    small_data: Path, content: bytes
) -> None:
    path = small_data / "json_2.1.1" / "train" / PLACE / GAME_FILE
    path.write_bytes(content)
    games = OfficialGames(small_data)
    assert LOOK in games.tasks("train")
    games.game(LOOK)
    with pytest.raises((CorruptGameError, UnknownTaskError)) as caught:
        games.game(PLACE)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(:init", "(:start"),
        ("(objecttype apple_bar_1 appletype)", ""),
        ("(atlocation agent1 loc_bar_9)", ""),
        ("(inreceptacle apple_bar_1 fridge_bar_1)", "(inreceptacle apple_bar_1 attic_bar_1)"),
        ("(inreceptacle apple_bar_1 fridge_bar_1)", "(inreceptacle apple_bar_1)"),
        ("BowlType", "UnicornType"),
        ("(inReceptacle ?o ?r)", "(isSliced ?o)"),
    ],
)
def test_a_problem_that_is_no_household_is_a_corrupt_game(
    small_data: Path, old: str, new: str
) -> None:
    path = small_data / "json_2.1.1" / "train" / PLACE / GAME_FILE
    content = json.loads(path.read_text())
    assert old in content["pddl_problem"]
    content["pddl_problem"] = content["pddl_problem"].replace(old, new)
    path.write_text(json.dumps(content))
    with pytest.raises(CorruptGameError, match="cannot be read as a game"):
        OfficialGames(small_data).game(PLACE)


def test_the_index_opens_files_once_and_again_only_when_they_change(
    small_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    read = data_module._read_json

    def note_and_read(path: Path) -> dict[str, Any]:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(data_module, "_read_json", note_and_read)
    OfficialGames(small_data).tasks("train")
    assert len(opened) == 4
    OfficialGames(small_data).tasks("train")
    assert len(opened) == 4
    path = small_data / "json_2.1.1" / "train" / LOOK / GAME_FILE
    path.write_text(path.read_text().replace('"solvable": true', '"solvable": false'))
    assert OfficialGames(small_data).tasks("train") == (PLACE,)
    assert len(opened) == 8


def test_a_game_that_changed_is_read_again_even_if_its_size_and_date_did_not(
    small_data: Path,
) -> None:
    assert OfficialGames(small_data).tasks("train") == (LOOK, PLACE)
    path = small_data / "json_2.1.1" / "train" / LOOK / GAME_FILE
    before = path.stat()
    path.write_text(path.read_text().replace('"solvable": true', '"solvable": null'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert OfficialGames(small_data).tasks("train") == (PLACE,)


def test_a_damaged_index_is_made_anew(small_data: Path) -> None:
    tasks = OfficialGames(small_data).tasks("train")
    (folder,) = (cache_folder() / "alfworld").iterdir()
    check_every_damage(folder, lambda: OfficialGames(small_data).tasks("train") == tasks)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "file" / "cache"))
    assert OfficialGames(small_data).tasks("train") == (LOOK, PLACE)


def test_an_interrupted_write_leaves_no_trace(
    small_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "rename", fail)
    OfficialGames(small_data).tasks("train")
    assert list((cache_folder() / "alfworld").iterdir()) == []


def test_environments_of_one_process_share_the_games(small_data: Path) -> None:
    games = official_games(small_data)
    assert official_games(small_data) is games
    assert games.game(PLACE) is games.game(PLACE)
