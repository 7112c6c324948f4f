"""What `TextEnv` does for a world: turns, refusals, infos, anchors, snapshots."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import KEYS, Guess, KeyDoor, Shelf, WindyCorridor

from anchorgym.envs import AnchoredEnv, panel_hash
from anchorgym.envs.core import Outcome
from anchorgym.envs.errors import (
    AnchorgymError,
    DataError,
    NoExpertError,
    OptionError,
    ResetNeededError,
    SnapshotError,
    UnknownSplitError,
    UnknownTaskError,
)


def started(task: str = "key west", **kwargs: Any) -> KeyDoor:
    env = KeyDoor(**kwargs)
    env.reset(seed=0, options={"task": task})
    return env


def test_a_whole_episode() -> None:
    env = KeyDoor()
    observation, info = env.reset(options={"task": "key here"})
    assert observation == "You stand at a locked door."
    assert info["goal"] == "Open the door."
    assert info["admissible_actions"] == ("west", "east", "take key")
    assert (info["action_valid"], info["won"], info["progress"]) == (True, False, 0.0)

    env.step("take key")
    observation, reward, terminated, truncated, info = env.step("open door")
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["won"], info["progress"]) == (True, 1.0)
    assert isinstance(env, AnchoredEnv)


@pytest.mark.parametrize(
    "action", ["", "fly", "west\0", "west\ud800", "\u202etsew", "w" * 10**6, None, 7, ["west"]]
)
def test_an_invalid_action_costs_a_turn_and_nothing_else(action: Any) -> None:
    env = started()
    anchor = env.anchor()
    observation, reward, terminated, truncated, info = env.step(action)

    assert env.turn == 1
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert not info["action_valid"]
    assert 0 < len(info["reason"]) < 200
    assert info["anchor"] == env.anchor() == anchor
    assert observation in env.observation_space


def test_invalid_actions_reach_the_turn_limit() -> None:
    env = started(max_turns=3)
    assert [env.step("\0")[3] for _ in range(3)] == [False, False, True]
    env.reset()
    assert env.turn == 0


def test_a_win_in_the_last_turn_is_no_truncation() -> None:
    env = started("key here", max_turns=2)
    env.step("take key")
    assert env.step("open door")[2:4] == (True, False)


@pytest.mark.parametrize("action", ["\0", None, "w" * 10**6])
def test_what_is_won_stays_won_after_an_unreadable_action(action: Any) -> None:
    env = started("key here", max_turns=3)
    env.step("take key")
    env.step("open door")
    _, reward, terminated, truncated, info = env.step(action)
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert (info["won"], info["action_valid"]) == (True, False)


def test_an_action_may_be_as_long_as_the_longest() -> None:
    env = started()
    longest = env.max_action_length
    assert "longer than" not in env.step("w" * longest)[4]["reason"]
    assert "longer than" in env.step("w" * (longest + 1))[4]["reason"]
    assert "w" * longest in env.action_space
    assert "w" * (longest + 1) not in env.action_space


def test_a_seed_draws_the_task() -> None:
    drawn = [KeyDoor().reset(seed=seed)[1]["task_id"] for seed in range(20)]
    assert drawn == [KeyDoor().reset(seed=seed)[1]["task_id"] for seed in range(20)]
    assert set(drawn) == set(KEYS)


@pytest.mark.parametrize("options", [{"task": "key up"}, {"task": 3}, {"goal": "x"}])
def test_a_refused_reset_leaves_the_episode_as_it_was(options: dict[str, Any]) -> None:
    env = WindyCorridor()
    env.reset(seed=0)
    env.step("walk")
    before = env.snapshot()
    with pytest.raises((UnknownTaskError, OptionError)):
        env.reset(seed=1, options=options)
    assert env.snapshot() == before


class Clock(KeyDoor):
    """A world that looks at the turn while it starts and while it takes a state."""

    broken = False

    def start(self, task: str) -> str:
        self.at_start = self.turn
        if self.broken:
            raise RuntimeError("the clock stopped")
        return super().start(task)

    def load(self, state: Any) -> None:
        self.at_load = self.turn
        super().load(state)


def test_a_world_starts_in_turn_0_and_loads_in_the_turn_of_the_snapshot() -> None:
    env = Clock()
    for _ in range(2):
        env.reset(seed=0)
        assert env.at_start == 0
        env.step("west")
        env.step("east")
    data = env.snapshot()
    env.step("west")
    env.restore(data)
    assert (env.at_start, env.at_load, env.turn) == (0, 2, 2)


def test_a_start_that_raises_leaves_turn_and_randomness_as_they_were() -> None:
    env = Clock()
    env.reset(seed=0)
    env.step("west")
    before, env.broken = env.snapshot(), True
    calls: list[Callable[[], object]] = [lambda: env.reset(seed=1), lambda: env.restore(before)]
    for call in calls:
        with pytest.raises(RuntimeError, match="stopped"):
            call()
        assert (env.turn, env.snapshot(), env.np_random_seed) == (1, before, 0)


def test_an_unknown_task_gets_a_suggestion() -> None:
    with pytest.raises(UnknownTaskError, match="Did you mean 'key west'"):
        started("key wst")


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UnknownSplitError, match="Did you mean 'train'"):
        KeyDoor(split="trian")
    with pytest.raises(OptionError, match="max_turns"):
        KeyDoor(max_turns=0)


def test_an_empty_split_says_so() -> None:
    class Empty(KeyDoor):
        def tasks(self, split: str | None = None) -> tuple[str, ...]:
            return ()

    with pytest.raises(DataError, match="holds no tasks"):
        Empty().reset(seed=0)


def test_before_the_first_reset_there_is_no_episode() -> None:
    calls: list[Callable[[KeyDoor], object]] = [
        lambda env: env.step("west"),
        lambda env: env.snapshot(),
        lambda env: env.task,
    ]
    for call in calls:
        with pytest.raises(ResetNeededError, match="reset"):
            call(KeyDoor())


def test_render_gives_the_last_observation() -> None:
    env = started(render_mode="ansi")
    observation = env.step("west")[0]
    assert env.render() == observation
    assert started().render() is None


def test_equal_states_reached_on_two_ways_have_one_anchor() -> None:
    one, other = started(), started()
    for action in ("west", "fly", "east", "\0", "west"):
        one.step(action)
    other.step("west")
    assert one.anchor() == other.anchor() != started().anchor()


@given(st.integers(0, 2**32), st.integers(0, 12))
def test_a_restored_episode_goes_on_as_it_would_have(seed: int, turns: int) -> None:
    env, other = WindyCorridor(), WindyCorridor()
    env.reset(seed=seed)
    for _ in range(turns):
        env.step("walk")
    data = env.snapshot()
    future = [env.step("walk") for _ in range(8)]
    for one in (env, other):
        one.restore(data)
        assert one.turn == turns
        assert one.snapshot() == data
        assert [one.step("walk") for _ in range(8)] == future


def test_a_restored_episode_with_a_new_seed_has_another_future() -> None:
    env = WindyCorridor()
    env.reset(seed=0, options={"task": "length 6"})
    data = env.snapshot()

    def future(seed: int | None) -> tuple[str, ...]:
        env.restore(data, seed=seed)
        return tuple(env.step("walk")[0] for _ in range(8))

    assert future(1) == future(1)
    assert len({future(seed) for seed in (None, *range(20))}) > 5


def test_a_restored_episode_can_be_given_the_seed_0() -> None:
    env = WindyCorridor()
    env.reset(seed=5, options={"task": "length 6"})
    data = env.snapshot()
    env.restore(data, seed=0)
    assert env.np_random_seed == 0
    assert env.np_random.random() == np.random.default_rng(0).random()


def test_a_snapshot_is_json_without_static_data() -> None:
    env = Guess()
    env.reset(seed=0)
    body = json.loads(env.snapshot().decode())
    assert body["task"] == env.task
    assert len(env.snapshot()) < 1000


def test_restore_gives_what_was_seen_there() -> None:
    env = started()
    observation, _, _, _, info = env.step("west")
    data = env.snapshot()
    env.step("east")
    assert env.restore(data) == (observation, info)


def foreign() -> dict[str, Any]:
    env, stranger, longer = started(), Shelf(), started(max_turns=51)
    stranger.reset(seed=0)
    good = env.snapshot()
    body = json.loads(good)
    unsigned = {"format": 1}
    return {
        "empty": b"",
        "object": b"{}",
        "list": b"[]",
        "deep": b"[" * 10**5,
        "bytes": bytes(range(256)),
        "half": good[: len(good) // 2],
        "turn": json.dumps({**body, "turn": 7}).encode(),
        "state": json.dumps({**body, "state": [0, 1, 1]}).encode(),
        "format": json.dumps({**body, "format": 2}).encode(),
        "unsigned": json.dumps(unsigned).encode(),
        "class": stranger.snapshot(),
        "configuration": longer.snapshot(),
        "None": None,
        "number": 3,
    }


@pytest.mark.parametrize("name", sorted(foreign()))
def test_foreign_snapshots_are_refused_and_harmless(name: str) -> None:
    env = started()
    env.step("west")
    before = env.snapshot()
    with pytest.raises(SnapshotError):
        env.restore(foreign()[name])
    assert env.snapshot() == before
    with pytest.raises(SnapshotError):
        KeyDoor().restore(foreign()[name])


@given(st.data())
def test_a_snapshot_with_any_byte_changed_is_refused_or_the_same(data: st.DataObject) -> None:
    env = started()
    env.step("west")
    good = env.snapshot()
    place = data.draw(st.integers(0, len(good) - 1))
    changed = good[:place] + bytes([data.draw(st.integers(0, 255))]) + good[place + 1 :]
    with suppress(SnapshotError):
        env.restore(changed)
    # White space, for one, means nothing in JSON.
    assert env.snapshot() == good


def test_a_task_that_has_gone_is_a_stale_snapshot() -> None:
    class Shrunk(KeyDoor):
        known: ClassVar[set[str]] = set(KEYS)

        def start(self, task: str) -> str:
            if task not in self.known:
                raise UnknownTaskError(task, self.known)
            return super().start(task)

    env = Shrunk()
    env.reset(options={"task": "key east"})
    data = env.snapshot()
    env.reset(options={"task": "key west"})
    before = env.snapshot()
    Shrunk.known = {"key west"}
    with pytest.raises(SnapshotError, match="not here"):
        env.restore(data)
    assert env.snapshot() == before


def test_a_state_that_no_longer_fits_asks_for_a_reset() -> None:
    class Changed(KeyDoor):
        def load(self, state: Any) -> None:
            raise IndexError("list index out of range")

    env = Changed()
    env.reset(options={"task": "key east"})
    with pytest.raises(SnapshotError, match=r"call reset\(\)"):
        env.restore(env.snapshot())
    with pytest.raises(ResetNeededError):
        env.step("west")
    env.reset(options={"task": "key east"})


def test_worlds_add_to_the_info_and_choose_their_refusals() -> None:
    class Chatty(KeyDoor):
        def extra_info(self) -> dict[str, Any]:
            return {"at": self.at}

        def refusal(self, reason: str) -> str:
            return "Pardon?"

    env = Chatty()
    assert env.reset(seed=0)[1]["at"] == 2  # type: ignore[typeddict-item]
    assert env.step("\0")[0] == "Pardon?"


def test_a_world_without_expert_says_so() -> None:
    env = WindyCorridor()
    env.reset(seed=0)
    with pytest.raises(NoExpertError, match="WindyCorridor has no honest expert"):
        env.expert_action()
    assert issubclass(NoExpertError, AnchorgymError)


def test_outcomes_are_valid_unless_they_give_a_reason() -> None:
    assert Outcome("seen") == ("seen", 0.0, False, "")


def test_a_panel_hash_tells_panels_apart() -> None:
    assert panel_hash(["a", "b"]) == panel_hash(iter(("a", "b")))
    assert len({panel_hash(p) for p in (["a", "b"], ["b", "a"], ["ab"], ["a"], [])}) == 5
