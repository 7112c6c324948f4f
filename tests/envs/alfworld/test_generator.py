"""Generated games: the same everywhere, solvable, like the official ones, fit for the stock one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anchorgym.envs.alfworld import export
from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.alfworld.export import export_game, write_games
from anchorgym.envs.alfworld.game import APPLIANCES, TASK_TYPES, Game
from anchorgym.envs.alfworld.generator import (
    PANEL_SIZES,
    ROOM_ODDS,
    generated_game,
    household,
    panel,
)
from anchorgym.envs.alfworld.scenes import UNSEEN_SCENES, kinds, scenes
from anchorgym.envs.alfworld.solver import solve
from anchorgym.envs.draws import Draws
from anchorgym.envs.errors import MissingExtraError, UnknownSplitError, UnknownTaskError
from anchorgym.envs.panels import panel_hash

TYPES = list(TASK_TYPES.values())
TASKS = st.builds(
    "{}/{}/{}{}".format,
    st.sampled_from(list(PANEL_SIZES)),
    st.sampled_from(TYPES),
    st.integers(0, 10**99),
    st.sampled_from(["", "/uniform"]),
)
GOLDEN = "f511cd4b810bf8ea2df5804d4cfc38f304deadca4161cc3d0ebfa6a487974528"
"""Hash of 36 games: it changes only if ids come to mean other games, which breaks results."""
GOLDEN_PANELS = {
    "train": "c07ca6e21319b6c651f89097a4ac227bc2e95ae166078ff5aff3fd3113aaf816",
    "valid_seen": "d17d18f9c15d8d0f61f524fb2c48e4be7f87c269ef9fe816a9a4a2bbe6e3e97e",
    "valid_unseen": "d04764d3080f3b056e2ba52a4c723b212718d09c69b3453a6214996ef164f511",
}


def digest(task_ids: Iterator[str]) -> str:
    """Return a hash of everything that task ids stand for."""
    found = hashlib.sha256()
    for task_id in task_ids:
        house = household(task_id)
        found.update(json.dumps([house.facts, house.task, house.kind, house.parent]).encode())
    return found.hexdigest()


def golden_ids() -> Iterator[str]:
    for split in PANEL_SIZES:
        yield from panel(split)[:6]
        yield from (f"{task_id}/uniform" for task_id in panel(split)[:6])


class TestIds:
    def test_an_id_is_the_same_game_on_every_machine(self) -> None:
        assert digest(golden_ids()) == GOLDEN

    def test_no_order_of_sets_matters(self) -> None:
        code = (
            "from anchorgym.envs.alfworld.generator import household, panel;"
            "print([household(task_id).facts for task_id in panel('train')[:12]])"
        )
        outputs = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert len(outputs) == 1

    @pytest.mark.parametrize("split", PANEL_SIZES)
    def test_panels_are_pinned(self, split: str) -> None:
        ids = panel(split)
        assert len(ids) == PANEL_SIZES[split]
        assert panel_hash(ids) == GOLDEN_PANELS[split]

    def test_panels_take_the_task_types_in_turn(self) -> None:
        ids = panel("train")
        assert [task_id.split("/")[1] for task_id in ids[:12]] == TYPES * 2
        assert ids[-1] == f"train/{TYPES[-1]}/9999"
        assert list(ids[6:12:3]) == [ids[6], ids[9]]
        assert ids[7] in ids

    def test_index_beyond_a_panel(self) -> None:
        with pytest.raises(IndexError):
            panel("valid_seen")[600]

    @pytest.mark.parametrize(
        "task_id",
        [
            "",
            "train",
            f"train/{TYPES[0]}",
            f"train/{TYPES[0]}/-1",
            f"train/{TYPES[0]}/01",
            f"train/{TYPES[0]}/1.0",
            f"train/{TYPES[0]}/\N{SUPERSCRIPT TWO}",
            f"train/{TYPES[0]}/1{'0' * 5000}",
            f"train/{TYPES[0]}/1/evenly",
            f"train/{TYPES[0]}/1/uniform/",
            f"test/{TYPES[0]}/1",
            "train/pick/1",
        ],
    )
    def test_a_malformed_id_is_told_the_form(self, task_id: str) -> None:
        with pytest.raises(UnknownTaskError, match="<split>/<task type>/<seed>"):
            generated_game(task_id)

    def test_a_misspelt_id_is_told_the_right_one(self) -> None:
        with pytest.raises(UnknownTaskError, match=f"Did you mean 'train/{TYPES[0]}/0'"):
            generated_game(f"train/{TYPES[0]}s/0")

    def test_unknown_split(self) -> None:
        with pytest.raises(UnknownSplitError, match="valid_seen"):
            panel("valid")


class TestDraws:
    def test_below_and_chance(self) -> None:
        draws = Draws("a name")
        assert {draws.below(3) for _ in range(100)} == {0, 1, 2}
        assert not draws.chance(0.0)
        assert draws.chance(1.0)

    def test_weighted_follows_the_odds(self) -> None:
        draws = Draws("another")
        drawn = [draws.weighted((0.0, 1.0, 4.0, 4.0)) for _ in range(2000)]
        assert set(drawn) == {1, 2}
        assert 0.7 < drawn.count(2) / 2000 < 0.8


class TestGames:
    @given(TASKS)
    def test_every_id_is_a_solvable_game_that_is_not_won(self, task_id: str) -> None:
        world = World(generated_game(task_id))
        assert not world.won
        commands = solve(world)
        for command in commands:
            assert not world.won
            world.step(command)
            assert world.valid
        assert world.won
        assert 3 <= len(commands) <= 12

    @given(TASKS)
    def test_what_can_be_picked_up_can_be_put_down(self, task_id: str) -> None:
        game = generated_game(task_id)
        fitting = frozenset().union(*game.can_contain)
        assert {game.object_types[thing] for thing in game.pickupable} <= fitting

    @given(TASKS)
    def test_the_goal_is_said_as_official_games_say_it(self, task_id: str) -> None:
        game = generated_game(task_id)
        assert game.goal.task_type == task_id.split("/")[1]
        assert game.name == task_id
        assert game.task.endswith(".")
        assert {game.goal.object_type, game.goal.target_type} <= set(game.task[:-1].split())

    def test_unseen_games_take_place_in_held_out_scenes(self) -> None:
        def numbers(split: str) -> set[int]:
            return {household(task_id).scene.number for task_id in panel(split)[:600]}

        assert numbers("valid_unseen") <= UNSEEN_SCENES
        assert numbers("train").isdisjoint(UNSEEN_SCENES)
        assert numbers("valid_seen").isdisjoint(UNSEEN_SCENES)
        assert len(numbers("train")) > 80

    def test_percentages_of_rooms_are_of_all_games(self) -> None:
        for kind, odds in ROOM_ODDS.items():
            assert sum(odds.values()) == 100, kind

    def test_splits_share_no_game(self) -> None:
        facts = [household(f"{split}/{TYPES[0]}/5").facts for split in PANEL_SIZES]
        assert len(set(facts)) == 3

    def test_nothing_wanted_lies_where_it_is_wanted(self) -> None:
        for task_id in panel("train")[:300]:
            game = generated_game(task_id)
            barred = APPLIANCES.get(game.goal.kind, game.goal.target_type)
            for type_, held in zip(game.receptacle_types, game.contents, strict=True):
                assert type_ != barred or game.goal_objects.isdisjoint(held)

    @pytest.mark.parametrize("type_", TYPES)
    def test_both_phrasings_occur(self, type_: str) -> None:
        tasks = [household(f"train/{type_}/{seed}").task.split() for seed in range(20)]
        assert len({tuple(words[:2]) for words in tasks}) > 1


class TestLikeness:
    """Figures counted over the 3,693 official games, beside ours."""

    @pytest.mark.parametrize(
        ("room", "receptacles", "objects", "closed"),
        [
            ("kitchen", 33.4, 43.8, 0.29),
            ("living", 14.7, 18.9, 0.055),
            ("bedroom", 14.5, 21.8, 0.13),
            ("bathroom", 14.4, 15.0, 0.19),
        ],
    )
    def test_rooms_are_filled_like_the_official_ones(
        self, room: str, receptacles: float, objects: float, closed: float
    ) -> None:
        houses = (household(task_id) for task_id in panel("train")[:4000])
        chosen = islice((house for house in houses if house.scene.room == room), 200)
        games = [Game.from_facts(h.facts, h.goal, h.task, "") for h in chosen]
        held = [
            (thing, place in game.openable)
            for game in games
            for place, things in enumerate(game.contents)
            for thing in things
            if thing in game.pickupable
        ]
        count = len(games)
        mean_receptacles = sum(len(game.receptacle_names) for game in games) / count
        assert mean_receptacles == pytest.approx(receptacles, rel=0.1)
        assert len(held) / count == pytest.approx(objects, rel=0.2)
        assert sum(shut for _, shut in held) / len(held) == pytest.approx(closed, abs=0.05)

    def test_walkthroughs_are_as_long_as_the_official_ones(self) -> None:
        official = {"place": 4.15, "look": 3.6, "clean": 6.3, "heat": 6.2, "cool": 6.2, "two": 8.3}
        lengths: dict[str, list[int]] = {kind: [] for kind in official}
        for task_id in panel("train")[:900]:
            game = generated_game(task_id)
            lengths[game.goal.kind].append(len(solve(World(game))))
        for kind, mean in official.items():
            assert sum(lengths[kind]) / len(lengths[kind]) == pytest.approx(mean, abs=0.3)


def test_possible_commands_are_sorted_wherever_one_stands() -> None:
    for task_id in panel("train")[:12]:
        world = World(generated_game(task_id))
        for command in solve(World(generated_game(task_id))):
            world.step(command)
            assert list(world.admissible()) == sorted(world.admissible())


class TestScenes:
    def test_all_scenes_of_alfred(self) -> None:
        everything = [*scenes(unseen=True), *scenes(unseen=False)]
        assert len(everything) == 120
        assert {scene.number for scene in scenes(unseen=True)} == UNSEEN_SCENES

    def test_names_are_unique_and_known(self) -> None:
        for scene in scenes(unseen=False):
            names = {receptacle.name for receptacle in scene.receptacles}
            assert len(names) == len(scene.receptacles)
            assert scene.by_type.keys() <= kinds().fits.keys()
            assert set(scene.objects) <= kinds().objects

    def test_kitchens_have_what_kitchens_need(self) -> None:
        for scene in (*scenes(unseen=False), *scenes(unseen=True)):
            if scene.room == "kitchen":
                needed = {"fridge", "microwave", "sinkbasin", "stoveburner", "garbagecan"}
                assert needed <= scene.by_type.keys()


class TestExport:
    @pytest.fixture(autouse=True)
    def _stock_texts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "_stock_text", lambda name: '"Your task is to: UNKNOWN GOAL."')

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(TASKS)
    def test_an_exported_game_is_the_same_game(self, task_id: str) -> None:
        house = household(task_id)
        data = export_game(task_id)
        exported = Game.from_json(json.loads(json.dumps(data)), task_id)
        game = Game.from_facts(house.facts, house.goal, house.task, task_id)
        for name in Game.__slots__:
            assert getattr(exported, name) == getattr(game, name), name
        assert data["walkthrough"] == solve(World(game))

    def test_files_lie_where_the_stock_loader_looks(self, tmp_path: Path) -> None:
        ids = [f"train/{TYPES[0]}/3", f"valid_seen/{TYPES[1]}/0/uniform"]
        first, second = write_games(ids, tmp_path)
        assert first.parts[-4] == "train"
        assert first.parts[-3].startswith(f"{TYPES[0]}-")
        assert first.parts[-2:] == ("trial_3", "game.tw-pddl")
        assert "-None-DeskLamp-" in str(second)
        trajectory = json.loads((second.parent / "traj_data.json").read_text())
        assert trajectory["task_type"] == TYPES[1]
        assert trajectory["pddl_params"]["toggle_target"] == "DeskLamp"
        assert json.loads(second.read_text())["solvable"] is True

    def test_games_that_were_exported_before_are_written_anew(self, tmp_path: Path) -> None:
        (path,) = write_games([f"train/{TYPES[0]}/3"], tmp_path)
        whole = path.read_text()
        path.write_text("cut off")
        assert write_games([f"train/{TYPES[0]}/3"], tmp_path) == [path]
        assert path.read_text() == whole

    def test_without_the_stock_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(export, "find_spec", lambda name: None)
        export._stock_text.cache_clear()
        with pytest.raises(MissingExtraError, match=r"anchorgym\[textworld\]"):
            export_game(f"train/{TYPES[0]}/3")


class TestStockEngine:
    """The stock engine loads exported games and plays them in the same words."""

    def play(self, task_ids: list[str], folder: Path, steps: int) -> None:
        start = _stock_engine()
        for task_id, path in zip(task_ids, write_games(task_ids, folder), strict=True):
            stock, world = start(path), World(generated_game(task_id))
            assert stock.reset().feedback.strip() == world.reset().strip()
            rng = random.Random(task_id)
            commands = json.loads(path.read_text())["walkthrough"]
            for turn in range(len(commands) + steps):
                won = turn >= len(commands)
                command = rng.choice(world.admissible()) if won else commands[turn]
                state, _, _ = stock.step(command)
                assert state.feedback.strip() == world.step(command).strip(), (task_id, command)
                assert bool(state["won"]) == world.won
                assert sorted(state["admissible_commands"]) == list(world.admissible())
                assert world.won == (turn == len(commands) - 1) or won

    @pytest.fixture(autouse=True)
    def _own_data_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "data"))

    def test_one_game(self, tmp_path: Path) -> None:
        self.play([f"train/{TYPES[3]}/0"], tmp_path, 3)

    @pytest.mark.slow
    def test_games_of_all_types(self, tmp_path: Path) -> None:
        tasks = [*panel("train")[:12], *panel("valid_unseen")[:6]]
        self.play([*tasks, *(f"{task_id}/uniform" for task_id in tasks[:6])], tmp_path, 25)


def _stock_engine() -> Callable[[Path], Any]:
    reason = "the stock engine (textworld, alfworld) is not installed"
    textworld = pytest.importorskip("textworld", reason=reason)
    stock = pytest.importorskip("alfworld.agents.environment.alfred_tw_env", reason=reason)
    infos = textworld.EnvInfos(won=True, admissible_commands=True)
    return lambda path: textworld.start(
        str(path), infos, wrappers=[stock.AlfredDemangler(shuffle=False)]
    )
