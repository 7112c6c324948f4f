"""TextWorld games behind the environment contract, played by the stock engine."""

from __future__ import annotations

import copy
import gc
import importlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from anchorgym.envs import TextWorldEnv, check_env, make
from anchorgym.envs.errors import (
    CorruptGameError,
    DataError,
    MissingExtraError,
    NoExpertError,
    OptionError,
    ResetNeededError,
    SnapshotError,
    UnknownSplitError,
    UnknownTaskError,
)
from anchorgym.envs.textworld.files import GameFiles
from anchorgym.envs.textworld.words import readable

ENV = "anchorgym/TextWorld-v0"
WHY = "the stock engine is not installed: pip install 'anchorgym[textworld]'"
textworld = pytest.importorskip("textworld", reason=WHY, exc_type=ImportError)
challenges = pytest.importorskip("textworld.challenges", reason=WHY, exc_type=ImportError)

SETTINGS: dict[str, dict[str, Any]] = {
    "coin_collector": {"level": 2},
    "simple": {"rewards": "dense", "goal": "brief", "test": False},
    "cooking": {
        **{"recipe": 1, "take": 1, "go": 1, "recipe_seed": 1, "split": "train"},
        **{"cook": True, "open": False, "cut": False, "drop": False},
    },
}
KINDS = tuple(SETTINGS)
PDDL = {
    "pddl_domain": """(define (domain walk) (:requirements :strips :typing) (:types room)
        (:predicates (at ?r - room) (path ?a - room ?b - room))
        (:action walk :parameters (?a - room ?b - room) :precondition (and (at ?a) (path ?a ?b))
            :effect (and (at ?b) (not (at ?a)))))""",
    "pddl_problem": """(define (problem p) (:domain walk) (:objects hall attic cellar - room)
        (:init (at hall) (path hall attic) (path attic hall) (path hall cellar)
            (path attic cellar)) (:goal (and (at cellar))))""",
    "grammar": '''grammar :: """{"intro": [{"rhs": "You are in the hall."}],
            "walk.feedback": [{"rhs": "You are in the {b.name}."}]}""";
        action walk { template :: "walk from {a} to {b}"; feedback :: "#walk.feedback#"; }''',
}


class Games:
    """A folder with a game of each kind, `games / "KIND.z8"`, compiled when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __truediv__(self, name: str) -> Path:
        path = self._folder / name
        if not path.exists():
            _compile(path.stem, self._folder)
        return path


@pytest.fixture(scope="session")
def games(tmp_path_factory: pytest.TempPathFactory) -> Games:
    return Games(tmp_path_factory.mktemp("textworld"))


def _compile(kind: str, folder: Path) -> None:
    options = textworld.GameOptions()
    options.seeds = 7
    options.path = str(folder / f"{kind}.z8")
    _, make_game, _ = challenges.CHALLENGES[f"tw-{kind}"]
    with pytest.MonkeyPatch.context() as patch:
        # To find their walkthroughs, makers of games compile each one once more.
        patch.setattr(textworld.GameMaker, "compile", _save_logic)
        game = make_game(SETTINGS[kind], options)
    textworld.generator.compile_game(game, options)


def _save_logic(maker: Any, path: str) -> str:
    """Save the logic of a game, which the stock engine plays without words."""
    file = str(Path(path).with_suffix(".json"))
    maker.build().save(file)
    return file


@pytest.fixture
def env(games: Games) -> TextWorldEnv:
    made = make_env(games / "simple.z8")
    made.reset(seed=0)
    return made


@pytest.fixture
def story(games: Games, tmp_path: Path) -> TextWorldEnv:
    """The simple game without its .json: a story file of which nothing is known."""
    shutil.copy(games / "simple.z8", tmp_path)
    made = make_env(tmp_path / "simple.z8")
    made.reset(seed=0)
    return made


def make_env(games: object, **kwargs: Any) -> TextWorldEnv:
    made = make(ENV, games=games, **kwargs)
    assert isinstance(made, TextWorldEnv)
    return made


@pytest.mark.parametrize(
    "kind", ["coin_collector", *(pytest.param(k, marks=pytest.mark.slow) for k in KINDS[1:])]
)
def test_compiled_games_keep_the_environment_contract(games: Games, kind: str) -> None:
    report = check_env(ENV, games=games / f"{kind}.z8", episodes=3)
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", KINDS)
def test_the_game_s_own_expert_wins_and_a_win_pays_one(games: Games, kind: str) -> None:
    env = make_env(games / f"{kind}.z8")
    _, info = env.reset()
    earned, rewards = 0.0, []
    while not info["won"]:
        action = env.expert_action("full")
        assert action in info["admissible_actions"]
        _, reward, terminated, _, info = env.step(action)
        rewards.append(reward)
        earned += reward
        assert info["progress"] == pytest.approx(earned)
        assert terminated == info["won"]
    assert earned == pytest.approx(1.0)
    assert len(rewards) < 20
    assert (info["score"], info["lost"]) == (info["max_score"], False)  # type: ignore[typeddict-item]
    _, reward, terminated, _, info = env.step("look")
    assert (reward, terminated, info["won"]) == (0.0, True, True)
    assert info["reason"] == "the game is over"
    assert info["admissible_actions"] == ()
    with pytest.raises(NoExpertError):
        env.expert_action("full")


@pytest.mark.parametrize("kind", KINDS)
def test_games_play_as_in_the_stock_engine(games: Games, kind: str) -> None:
    file, rng = games / f"{kind}.z8", random.Random(kind)
    infos = textworld.EnvInfos(admissible_commands=True, won=True, score=True, policy_commands=True)
    theirs, ours = textworld.start(str(file), infos), make_env(file)
    state, (observation, info) = theirs.reset(), ours.reset()
    for _ in range(40):
        assert observation == readable(state.feedback)
        assert list(info["admissible_actions"]) == state.admissible_commands
        assert info["score"] == state.score  # type: ignore[typeddict-item]
        plan = state.policy_commands
        assert not plan or ours.expert_action("full") == plan[0]
        action = plan[0] if plan and rng.random() < 0.5 else rng.choice(state.admissible_commands)
        state, _, done = theirs.step(action)
        observation, _, terminated, _, info = ours.step(action)
        assert info["won"] == state.won
        assert terminated == done
        if done:
            break
    theirs.close()


def test_a_command_that_changes_nothing_costs_the_turn_and_is_undone(
    env: TextWorldEnv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    before, state = env.anchor(), env.save()
    refused = [
        "dance", "take", "go north. go south", "undo", "save", "script", "restart", "quit", "g",
        "tw-trace-actions", "open \N{SNOWMAN}", "look\nlook now", "x" * 199, "\ud800", "l",
    ]  # fmt: skip
    for action in refused:
        observation, reward, terminated, _, info = env.step(action)
        assert (reward, terminated, info["action_valid"]) == (0.0, False, False), action
        assert info["reason"]
        assert observation
        assert (env.anchor(), env.save()) == (before, state), action
    assert env.turn == len(refused)
    assert list(tmp_path.iterdir()) == []
    other = make_env(env._files.root / "simple.z8")
    other.reset()
    for _ in range(5):
        action = env.expert_action("full")
        assert env.step(action)[:3] == other.step(action)[:3]


def test_other_words_for_an_action_are_taken(games: Games) -> None:
    env = make_env(games / "coin_collector.z8")
    _, info = env.reset()
    way = next(a for a in info["admissible_actions"] if a.startswith("go "))
    env.step(way)
    there = env.anchor()
    for words in (way.upper(), f"  {way} ", way[3], f"walk {way[3:]}"):
        env.reset()
        *_, info = env.step(words)
        assert (info["action_valid"], info["anchor"]) == (True, there), words


def test_equal_states_have_equal_anchors_and_others_differ(env: TextWorldEnv) -> None:
    first = env.anchor()
    env.step("look")
    env.step("inventory")
    assert env.anchor() == first
    opens = [action for action in env.admissible_actions() if action.startswith("open ")]
    opening = next(action for action in opens if action != env.expert_action("full"))
    env.step(opening)
    assert env.anchor() != first
    env.step(opening.replace("open", "close"))
    assert env.anchor() == first
    solved = env.expert_action("full")  # it completes a quest, which does not count again
    assert env.step(solved)[1] > 0
    env.step(solved.replace("open", "close"))
    assert env.anchor() != first
    assert env.step(solved)[1] == 0


def test_a_snapshot_is_returned_to_in_any_process(games: Games) -> None:
    env, other = (make_env(games / "cooking.z8") for _ in range(2))
    env.reset()
    for _ in range(2):
        env.step(env.expert_action("full"))
    env.step("nonsense")
    data, anchor, turn = env.snapshot(), env.anchor(), env.turn
    future = [env.step(env.expert_action("full")) for _ in range(2)]
    for one in (env, other, copy.deepcopy(env)):
        _, info = one.restore(data)
        assert (info["anchor"], one.turn) == (anchor, turn)
        assert [one.step(one.expert_action("full")) for _ in range(2)] == future
    assert len(json.loads(data)["state"]["commands"]) == 2
    with pytest.raises(SnapshotError):
        make_env(games / "simple.z8").restore(data)


def test_a_game_can_be_lost(games: Games) -> None:
    env = make_env(games / "cooking.z8")
    _, info = env.reset()
    while "cook" not in (action := env.expert_action("full")):
        *_, info = env.step(action)
    env.step(action)
    gained = env.progress()
    observation, reward, terminated, _, info = env.step(action)  # which burns it
    assert "You lost!" in observation
    assert (reward, terminated, info["won"]) == (0.0, True, False)
    assert info["lost"]  # type: ignore[typeddict-item]
    assert info["progress"] == gained < 1
    with pytest.raises(NoExpertError):
        env.expert_action("full")


def test_a_story_file_alone_is_played_by_what_it_says(games: Games, story: TextWorldEnv) -> None:
    known = make_env(games / "simple.z8")
    observation, info = story.reset()
    assert observation == known.reset()[0]
    assert (info["told_by"], info["admissible_actions"]) == ("observation", ())  # type: ignore[typeddict-item]
    *_, info = story.step("dance")
    assert (info["action_valid"], info["reason"]) == (False, "the game did not understand it")
    with pytest.raises(NoExpertError):
        story.expert_action("full")
    first, seen, rewards = story.anchor(), set(), []
    while not known.won():
        action = known.expert_action("full")
        said, wanted = story.step(action)[0], known.step(action)[0]
        assert said.partition("You scored")[0] == wanted.partition("You scored")[0]
        *_, info = story.step("look")
        rewards.append(info["progress"])
        seen.add(story.anchor())
    assert first not in seen
    assert (rewards[-2], story.won(), story.progress()) == (0.0, True, 1.0)


def test_a_story_file_keeps_what_can_be_kept_of_the_contract(story: TextWorldEnv) -> None:
    data = story.snapshot()
    after = story.step("go west"), story.step("inventory")
    story.restore(data)
    assert (story.step("go west"), story.step("inventory")) == after
    with pytest.raises(NoExpertError, match="full"):
        story.expert_action("honest")


@pytest.mark.slow
def test_no_fault_is_found_in_a_story_file_alone(games: Games, tmp_path: Path) -> None:
    shutil.copy(games / "simple.z8", tmp_path)
    report = check_env(ENV, games=tmp_path, episodes=2)
    assert report.ok, str(report)


def test_a_game_in_pddl(tmp_path: Path) -> None:
    pytest.importorskip("fast_downward", reason=WHY)
    file = tmp_path / "walk.tw-pddl"
    file.write_text(json.dumps(PDDL))
    env = make_env(file)
    observation, info = env.reset()
    assert observation == "You are in the hall."
    listed = ("walk from hall to attic", "walk from hall to cellar")
    assert info["admissible_actions"] == listed
    start = env.anchor()
    *_, info = env.step("walk from attic to hall")
    assert (info["action_valid"], info["anchor"]) == (False, start)
    env.step(listed[0])
    data = env.snapshot()
    env.step("walk from attic to hall")
    assert env.anchor() == start
    assert env.expert_action("full") == listed[1]
    _, info = env.restore(data)
    assert "walk from attic to cellar" in info["admissible_actions"]
    observation, reward, terminated, *_ = env.step("walk from attic to cellar")
    assert (observation, reward, terminated) == ("You are in the cellar.", 1.0, True)


def test_a_thousand_resets_keep_no_memory(games: Games) -> None:
    env = make_env([games / "coin_collector.z8", games / "simple.z8"])
    one, two = env.tasks()
    process, grown = psutil.Process(), []
    for tasks, times in (((one, two), 8), ((one,), 1000)):
        for task in tasks:
            env.reset(options={"task": task})
        for turns in (times // 5, times):
            gc.collect()
            before, files = process.memory_info().rss, process.num_fds()
            for i in range(turns):
                env.reset(options={"task": tasks[i % len(tasks)]})
                env.step("look")
        gc.collect()
        grown.append((process.memory_info().rss - before) / 2**20)
        assert process.num_fds() == files
    assert max(grown) < 4, grown


def test_splits_are_subfolders_and_ids_name_content(tmp_path: Path) -> None:
    for name in ("train/a.z8", "train/deep/b.z5", "test/c.z8", "elsewhere.z8", "train/d.ulx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    files = GameFiles(tmp_path)
    assert [task.partition("@")[0] for task in files.tasks("train")] == [
        "train/a.z8",
        "train/deep/b.z5",
    ]
    (test,) = files.tasks("test")
    assert files.find(test) == tmp_path / "test" / "c.z8"
    with pytest.raises(DataError, match="no games of split 'valid', only of train, test"):
        files.tasks("valid")
    with pytest.raises(UnknownSplitError, match="Did you mean 'valid'"):
        files.tasks("validation")
    with pytest.raises(UnknownTaskError, match=f"Did you mean '{test}'"):
        files.find("test/c.z8")
    with pytest.raises(UnknownTaskError, match=r"Did you mean 'test/c\.z8'"):
        files.find("test/cc.z8@000000000000")
    (tmp_path / "test" / "c.json").write_text("other rules")
    with pytest.raises(UnknownTaskError, match="another content"):
        files.find(test)
    assert GameFiles(tmp_path / "train").tasks("train")[1].startswith("deep/b.z5@")
    listed = GameFiles([tmp_path / "train" / "a.z8", tmp_path / "test" / "c.z8"])
    assert listed.find(listed.tasks("train")[1]) == tmp_path / "train" / "a.z8"


def test_games_that_cannot_be_played_are_told_with_a_remedy(games: Games, tmp_path: Path) -> None:
    for name in ("game.ulx", "game.json", "notes.txt"):
        (tmp_path / name).write_text("{}")
    for named, error, message in (
        (None, OptionError, "games="),
        ([], DataError, "empty"),
        (tmp_path, DataError, "holds no games"),
        (tmp_path / "nowhere.z8", DataError, "there is no game"),
        (tmp_path / "game.ulx", DataError, "Glulx"),
        (tmp_path / "game.json", DataError, "without its texts"),
        (tmp_path / "notes.txt", DataError, "no known kind"),
    ):
        with pytest.raises(error, match=message):
            make_env(named)


@pytest.mark.parametrize("part", ["story", "length", "start", "logic", "pddl"])
def test_a_damaged_game_is_told_and_the_running_episode_goes_on(
    games: Games, tmp_path: Path, part: str
) -> None:
    for name in ("coin_collector.z8", "coin_collector.json"):
        shutil.copy(games / name, tmp_path)
    whole = (games / "coin_collector.z8").read_bytes()
    broken = tmp_path / f"broken.{'tw-pddl' if part == 'pddl' else 'z8'}"
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    content = {"story": changed, "length": whole[:middle], "start": b"\x09" * 99, "pddl": b"{}"}
    broken.write_bytes(content.get(part, whole))
    if part == "logic":
        broken.with_suffix(".json").write_text('{"version": 1}')
    env = make_env(tmp_path)
    bad, good = sorted(env.tasks())
    env.reset(options={"task": good})
    before = env.snapshot()
    with pytest.raises(CorruptGameError, match=broken.stem):
        env.reset(options={"task": bad})
    assert env.snapshot() == before
    assert env.step("look")[4]["action_valid"]


def damaged(whole: bytes, at: int, count: int) -> bytes:
    """A story with other bytes in a place, whose header vouches for it."""
    story = bytearray(whole)
    story[at : at + count] = bytes(count)
    length = int.from_bytes(story[0x1A:0x1C], "big") * 8
    story[0x1C:0x1E] = (sum(story[0x40:length]) & 0xFFFF).to_bytes(2, "big")
    return bytes(story)


def test_a_game_whose_interpreter_halts_is_told_and_the_running_episode_goes_on(
    games: Games, tmp_path: Path
) -> None:
    whole = (games / "coin_collector.z8").read_bytes()
    for name in ("coin_collector.z8", "coin_collector.json"):
        shutil.copy(games / name, tmp_path)
    start = int.from_bytes(whole[0x06:0x08], "big")  # where the interpreter begins
    (tmp_path / "halted.z8").write_bytes(damaged(whole, start, 4))
    env = make_env(tmp_path)
    good, bad = sorted(env.tasks())
    env.reset(options={"task": good})
    before = env.snapshot()
    with pytest.raises(CorruptGameError, match=r"halted\.z8.*interpreter has halted"):
        env.reset(options={"task": bad})
    assert env.snapshot() == before
    assert env.step("look")[4]["action_valid"]


def test_a_game_that_halts_on_its_way_is_told_and_another_can_be_started(
    games: Games, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_env(games / "coin_collector.z8")
    env.reset()
    monkeypatch.setattr("jericho.FrotzEnv._emulator_halted", lambda frotz: True)
    with pytest.raises(CorruptGameError, match=r"coin_collector\.z8"):
        env.step("look")
    with pytest.raises(ResetNeededError):
        env.step("look")
    monkeypatch.undo()
    env.reset()
    assert env.step("look")[4]["action_valid"]


def test_after_closing_only_a_reset_goes_on(env: TextWorldEnv) -> None:
    env.close()
    with pytest.raises(ResetNeededError):
        env.anchor()
    env.reset()
    assert env.step("look")[4]["action_valid"]
    env.close()
    env.close()


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise ImportError(name)

    (tmp_path / "game.z8").touch()
    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(MissingExtraError, match=r'pip install "anchorgym\[textworld\]"'):
        TextWorldEnv(games=tmp_path)


def test_the_stock_engine_is_imported_for_no_other_world() -> None:
    code = (
        "import sys, gymnasium, anchorgym.envs; gymnasium.make('anchorgym/ALFWorld-v0').reset();"
        "sys.exit(any(name in sys.modules for name in ('textworld', 'jericho', 'alfworld')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
