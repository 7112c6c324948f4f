"""Recorded episodes are executed again, and no change to them goes unseen."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import worlds
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anchorgym.agents import ExpertPolicy, Policy, RandomPolicy
from anchorgym.envs import register
from anchorgym.envs.errors import DataError
from anchorgym.training import EnvPool, evaluate
from anchorgym.training.cli import main
from anchorgym.training.inspect.replay import (
    NOT_EXECUTED,
    Replayer,
    Verification,
    trajectory_files,
)
from anchorgym.training.inspect.trajectories import (
    TrajectoryError,
    episode_record,
    read_trajectories,
    write_trajectories,
)

ALF = "anchorgym/ALFWorld-v0"
WINDY = "test/WindyCorridor-v0"
Record = dict[str, Any]


def record(path: Path, env: str, policy: Policy, split: str, tasks: int, **arguments: Any) -> Path:
    """Record episodes as an evaluation does."""
    episodes: list[Any] = []
    evaluate(
        policy,
        EnvPool.of(env, **arguments),
        split=split,
        tasks=tasks,
        samples=2 if env == WINDY else 1,
        observe=lambda done: episodes.extend(episode_record(episode) for episode in done),
    )
    header = {"format": 1, "env": env, "arguments": arguments, "purpose": "evaluate"}
    write_trajectories(path, header, episodes)  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("household") / "episodes.jsonl"
    return record(path, ALF, ExpertPolicy(), "valid_seen", 4)


@pytest.fixture(scope="module")
def windy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("windy") / "episodes.jsonl"
    return record(path, WINDY, RandomPolicy(0), "train", 2, max_turns=25)


@pytest.fixture(scope="module")
def replayer() -> Replayer:
    return Replayer()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tampered") / "episodes.jsonl"


def lines_of(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, records: list[Record]) -> Path:
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records))
    return path


def unsealed(path: Path) -> list[Record]:
    """Records of a file whose header does not vouch for it: only execution can tell."""
    header, *episodes = lines_of(path)
    return [{k: v for k, v in header.items() if k not in ("digest", "episodes")}, *episodes]


def test_what_was_recorded_is_what_happens(
    household: Path, windy: Path, replayer: Replayer
) -> None:
    for path, episodes in ((household, 4), (windy, 4)):
        found = replayer.verify(path)
        assert found.ok
        assert (found.episodes, found.unsealed) == (episodes, [])
        assert found.turns == sum(len(each["turns"]) for each in lines_of(path)[1:])


def flip(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}0"


OTHERS = {"stop": "turns", "task": "no such task", "anchor": "00"}
TURN_FIELDS = ("observation", "anchor", "action", "reward", "valid", "reason")
EPISODE_FIELDS = ("task", "task_type", "goal", "won", "stop", "final_observation")


@settings(max_examples=120)
@given(data=st.data())
def test_execution_finds_any_value_that_was_changed(
    household: Path, replayer: Replayer, scratch: Path, data: st.DataObject
) -> None:
    records = unsealed(household)
    number = data.draw(st.integers(1, len(records) - 1))
    episode = records[number]
    place = data.draw(st.integers(-1, len(episode["turns"]) - 1))
    target = episode if place < 0 else episode["turns"][place]
    name = data.draw(st.sampled_from(EPISODE_FIELDS if place < 0 else TURN_FIELDS))
    before, target[name] = target[name], OTHERS.get(name, flip(target[name]))
    assume(before != target[name])
    found = replayer.verify(write(scratch, records))
    assert {d.episode for d in found.differences} == {number}
    if name != "action":  # what an action changes is seen in what follows
        (difference,) = found.differences
        where = (difference.line, difference.turn, difference.field, difference.recorded)
        assert where == (number + 1, place + 1, name, target[name])
        assert name == "task" or difference.found == before


@settings(max_examples=60)
@given(data=st.data())
def test_execution_finds_another_possible_action(
    household: Path, replayer: Replayer, scratch: Path, data: st.DataObject
) -> None:
    from anchorgym.envs import make

    records = unsealed(household)
    episode = records[data.draw(st.integers(1, len(records) - 1))]
    env = make(ALF)
    _, info = env.reset(options={"task": episode["task"]})
    place = data.draw(st.integers(0, len(episode["turns"]) - 1))
    for turn in episode["turns"][:place]:
        *_, info = env.step(turn["action"])
    turn = episode["turns"][place]
    turn["action"] = data.draw(st.sampled_from([*info["admissible_actions"], "dance"]))
    assume(turn["action"] != lines_of(household)[records.index(episode)]["turns"][place]["action"])
    assert not replayer.verify(write(scratch, records)).ok


def drop(turns: list[Record], i: int, j: int) -> None:
    del turns[i]


def swap(turns: list[Record], i: int, j: int) -> None:
    turns[i], turns[j] = turns[j], turns[i]


def duplicate(turns: list[Record], i: int, j: int) -> None:
    turns.insert(i, copy.deepcopy(turns[i]))


@pytest.mark.parametrize("change", [drop, swap, duplicate])
def test_execution_finds_turns_that_were_dropped_swapped_or_duplicated(
    household: Path,
    replayer: Replayer,
    scratch: Path,
    change: Callable[[list[Record], int, int], None],
) -> None:
    original = unsealed(household)
    for number, whole in enumerate(original[1:], 1):
        for i in range(len(whole["turns"])):
            for j in range(i + 1, len(whole["turns"])) if change is swap else [0]:
                records = copy.deepcopy(original)
                change(records[number]["turns"], i, j)
                found = replayer.verify(write(scratch, records))
                assert {d.episode for d in found.differences} == {number}


def test_execution_finds_another_task(household: Path, replayer: Replayer, scratch: Path) -> None:
    for i in range(1, 5):
        records = unsealed(household)
        records[i]["task"] = records[1 + i % 4]["task"]
        found = replayer.verify(write(scratch, records))
        assert {d.episode for d in found.differences} == {i}


def test_execution_finds_another_seed_where_chance_plays_a_part(
    windy: Path, household: Path, replayer: Replayer, scratch: Path
) -> None:
    for i in range(1, 5):
        records = unsealed(windy)
        records[i]["seed"] += 1
        assert not replayer.verify(write(scratch, records)).ok
    records = unsealed(household)
    records[1]["seed"] += 1  # nothing in a household is random
    assert replayer.verify(write(scratch, records)).ok
    records[0] = lines_of(household)[0]
    assert [d.field for d in replayer.verify(write(scratch, records)).differences] == ["digest"]


SHOP = "anchorgym/WebShop-v0"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "episodes.jsonl"
    return record(path, SHOP, RandomPolicy(0), "test", 1, max_turns=4)


def first_of(path: Path, file: Path, *, trained: bool) -> list[Record]:
    """Write the first episode of a file, with the keys of training or not; return the records."""
    header, episode, *_ = lines_of(path)
    if trained:
        header |= {"purpose": "train", "iteration": 3}
        for place, turn in enumerate(episode["turns"]):
            turn |= {"advantage": 0.25 * place, "step_group": place}
    write_trajectories(file, header, [episode])  # type: ignore[arg-type, list-item]
    return lines_of(file)


def places(record: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values of a record that are no lists or objects."""
    if isinstance(record, dict | list):
        pairs = record.items() if isinstance(record, dict) else enumerate(record)
        return [place for key, inner in pairs for place in places(inner, (*way, key))]
    return [way]


@pytest.mark.parametrize("world", ["windy", "shop", "household"])
def test_each_value_that_is_changed_is_found_by_execution_or_by_the_digest_as_documented(
    world: str, replayer: Replayer, scratch: Path, request: pytest.FixtureRequest
) -> None:
    chance = world == "windy"
    original = first_of(request.getfixturevalue(world), scratch, trained=chance)
    for way in places(original):
        records, names = copy.deepcopy(original), {str(key) for key in way}
        inner: Any = records
        for key in way[:-1]:
            inner = inner[key]
        before, inner[way[-1]] = inner[way[-1]], OTHERS.get(str(way[-1]), flip(inner[way[-1]]))
        if before == inner[way[-1]]:
            inner[way[-1]] = "terminated"
        found = verdict(replayer, write(scratch, records))
        assert found is None or not found.ok, way
        if "digest" in names or not isinstance(inner, dict | list):
            continue
        for key in ("digest", "episodes"):
            records[0].pop(key, None)
        found = verdict(replayer, write(scratch, records))
        unverified = {*NOT_EXECUTED, *([] if chance else ["seed"]), "arguments", "episodes"}
        assert found is None or not found.ok or names & unverified, way


@pytest.mark.parametrize(
    "fork",
    [
        3,
        {"turn": 1},
        {"turn": 1, "restores": []},
        {"turn": 1, "restores": [[1]]},
        {"turn": 1, "restores": [["1", 2]]},
        {"turn": 2, "restores": [[1, 7]]},
        {"turn": 99, "restores": [[99, 7]]},
        {"turn": 1, "restores": [[2, 7], [1, 7]]},
    ],
)
def test_a_fork_that_makes_no_sense_is_unreadable(
    windy: Path, replayer: Replayer, scratch: Path, fork: Any
) -> None:
    records = unsealed(windy)
    records[1]["fork"] = fork
    found = replayer.verify(write(scratch, records))
    assert not found.ok
    assert "has the fork" in found.unreadable[0]


def test_differences_before_a_line_that_cannot_be_read_are_told(
    household: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = lines_of(household)
    records[1]["won"] = False
    write(scratch, records[:3]).open("a").write("{\n")
    assert main(["replay", str(scratch), "--verify"]) == 2
    said = capsys.readouterr()
    assert "won was False, is True" in said.out
    assert "2 episodes" in said.out
    assert "differences: 1, in episodes: 1; 1 files unreadable" in said.out
    assert "line 4: not JSON" in said.err


def test_what_could_not_be_read_is_not_said_to_be_as_recorded(
    household: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("nothing\n")
    assert main(["replay", str(broken), "--verify"]) == 2
    assert "nothing was verified; 1 files unreadable" in capsys.readouterr().out
    assert main(["replay", str(broken), str(household), "--verify"]) == 2
    assert "what could be read is as recorded; 1 files" in capsys.readouterr().out
    empty = write(tmp_path / "empty.jsonl", unsealed(household)[:1])
    assert main(["replay", str(empty), "--verify"]) == 1
    assert "nothing was verified" in capsys.readouterr().out


def test_a_reason_of_the_stop_that_there_is_not_is_found(
    windy: Path, replayer: Replayer, scratch: Path
) -> None:
    records = unsealed(windy)
    cut = records[1]
    cut["turns"], cut["won"] = cut["turns"][:1], False
    cut["final_observation"] = records[1]["turns"][0]["observation"]
    for stop, known in (("stuck", True), ("context", True), ("", False), ("bored", False)):
        cut["stop"] = stop
        found = replayer.verify(write(scratch, records)).differences
        assert ("stop" not in {difference.field for difference in found}) == known


def verdict(replayer: Replayer, path: Path) -> Verification | None:
    """None for a file that cannot be read."""
    try:
        return replayer.verify(path)
    except TrajectoryError:
        return None


@settings(max_examples=150)
@given(data=st.data())
def test_any_byte_that_was_changed_is_found(
    household: Path, replayer: Replayer, scratch: Path, data: st.DataObject
) -> None:
    whole = bytearray(household.read_bytes())
    header = len(whole.splitlines()[0])
    place = data.draw(st.integers(header, len(whole) - 1))  # of all lines but the header
    byte = data.draw(st.integers(0, 255))
    assume(whole[place] != byte)
    whole[place] = byte
    scratch.write_bytes(whole)
    found = verdict(replayer, scratch)
    assert found is None or not found.ok


@settings(max_examples=60)
@given(data=st.data())
def test_a_file_that_was_cut_is_found(
    windy: Path, replayer: Replayer, scratch: Path, data: st.DataObject
) -> None:
    whole = windy.read_bytes()
    scratch.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    found = verdict(replayer, scratch)
    assert found is None or not found.ok


@pytest.mark.parametrize("key", ["response", "group", "arguments", "episode"])
def test_the_digest_finds_what_cannot_be_executed(
    household: Path, replayer: Replayer, scratch: Path, key: str
) -> None:
    records = lines_of(household)
    if key == "response":
        records[1]["turns"][0]["response"] = "I did not say this"
    elif key == "group":
        records[1]["group"] += 7
    elif key == "arguments":
        records[0]["arguments"]["max_turns"] = 60
    else:
        del records[2]
    fields = [d.field for d in replayer.verify(write(scratch, records)).differences]
    assert fields == (["number of episodes", "digest"] if key == "episode" else ["digest"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: r[1]["turns"][0].pop("anchor"), "line 2: turn 1 lacks anchor"),
        (lambda r: r[2].update(won="yes"), "line 3: an episode has the won 'yes'"),
        (lambda r: r[2].pop("turns"), "line 3: an episode lacks turns"),
        (lambda r: r[1]["turns"].insert(0, 3), "turn 1 is no JSON object"),
        (lambda r: r[0].update(env="test/Gone-v0"), "cannot make the environment"),
        (lambda r: r[0].update(arguments={"data": "/gone"}), "--env.data FOLDER"),
        (lambda r: r.pop(0), "does not begin with the header"),
    ],
)
def test_what_is_no_recording_is_said_to_be_unreadable(
    household: Path,
    scratch: Path,
    spoil: Callable[[list[Record]], object],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = lines_of(household)
    spoil(records)
    assert main(["replay", str(write(scratch, records)), "--verify"]) == 2
    assert said in capsys.readouterr().err


def test_the_command_tells_by_its_status(
    household: Path, windy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    (run / "episodes").mkdir(parents=True)
    (run / "metrics.jsonl").write_text("{}\n")
    for name, path in (("a", household), ("b", windy)):
        (run / "episodes" / f"{name}.jsonl").write_bytes(path.read_bytes())
    assert main(["replay", str(run), "--verify"]) == 0
    assert "8 episodes" in capsys.readouterr().out
    records = lines_of(household)
    records[3]["turns"][1]["reward"] = 0.5
    write(run / "episodes" / "a.jsonl", records)
    assert main(["replay", str(run / "episodes"), "--verify"]) == 1
    said = capsys.readouterr().out
    assert "line 4: episode 3, turn 2: reward was 0.5, is 0.0" in said
    assert "differences: 2, in episodes: 1" in said
    assert main(["replay", str(run / "episodes" / "a.jsonl"), "--verify", "--episode", "2"]) == 0
    (run / "episodes" / "b.jsonl").write_text("nothing\n")
    assert main(["replay", str(run), "--verify"]) == 2
    assert main(["replay", str(tmp_path / "gone.jsonl"), "--verify"]) == 2
    assert main(["replay", str(run), "--episode", "0"]) == 2


def test_a_file_without_a_digest_is_verified_as_far_as_that_goes(
    household: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(write(scratch, unsealed(household))), "--verify"]) == 0
    assert "without a digest" in capsys.readouterr().out


def test_an_episode_is_shown_turn_by_turn(
    household: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(household), "--episode", "2"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    episode = lines_of(household)[2]
    for text in (episode["goal"], episode["task"], "episode 2 of 4", "won after"):
        assert text in said
    for number, turn in enumerate(episode["turns"], 1):
        assert f"{number} > {turn['action']}" in said
        assert " ".join(turn["observation"].split()) in said
    assert main(["replay", str(household), "--episode", "5"]) == 2


@register("test/StoredKeyDoor-v0", max_turns=20)
class StoredKeyDoor(worlds.KeyDoor):
    """A world that needs a folder of data."""

    def __init__(self, *, data: str, **arguments: Any) -> None:
        if not Path(data).is_dir():
            raise DataError(f"there is no folder {data!r}")
        super().__init__(**arguments)


def test_data_that_has_moved_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there, moved = tmp_path / "there", tmp_path / "moved"
    there.mkdir()
    path = tmp_path / "e.jsonl"
    record(path, "test/StoredKeyDoor-v0", RandomPolicy(0), "train", 3, data=str(there))
    there.rename(moved)
    assert main(["replay", str(path), "--verify"]) == 2
    assert "--env.data FOLDER" in capsys.readouterr().err
    assert main(["replay", str(path), "--verify", "--env.data", str(moved)]) == 0


def test_folders_without_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="no recorded episodes"):
        trajectory_files([tmp_path])


def test_a_written_file_is_read_back(household: Path) -> None:
    header, episodes = read_trajectories(household)
    assert (header["episodes"], header["env"]) == (4, ALF)
    assert [dict(each) for each in episodes] == lines_of(household)[1:]
