"""Many text environments stepped with one call."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit
from worlds import KeyDoor, WindyCorridor

from anchorgym.envs import TextVectorEnv
from anchorgym.envs.errors import ContractError, OptionError, UnknownTaskError


def windy(n: int = 3, **kwargs: Any) -> TextVectorEnv:
    return TextVectorEnv([lambda: WindyCorridor(**kwargs)] * n)


def test_a_vector_steps_like_its_environments_alone() -> None:
    vector, alone = windy(4), [WindyCorridor() for _ in range(4)]
    observations, infos = vector.reset(seed=7)
    for i, env in enumerate(alone):
        assert (observations[i], infos["env"][i]) == env.reset(seed=7 + i)

    for _ in range(30):
        observations, rewards, terminated, truncated, infos = vector.step(["walk"] * 4)
        for i, env in enumerate(alone):
            got = (observations[i], rewards[i], terminated[i], truncated[i], infos["env"][i])
            assert got == env.step("walk")


def test_observations_and_infos_are_the_very_objects_of_the_environments() -> None:
    class Remembering(KeyDoor):
        def step(self, action: str) -> Any:
            self.kept = super().step(action)
            return self.kept

    envs = [Remembering(), Remembering()]
    vector = TextVectorEnv(envs)
    vector.reset(seed=0)
    observations, _, _, _, infos = vector.step(["west", "east"])
    for i, env in enumerate(envs):
        assert vector.envs[i] is env
        assert observations[i] is env.kept[0]
        assert infos["env"][i] is env.kept[4]


def test_arrays_of_one_step_are_not_overwritten_by_the_next() -> None:
    vector = TextVectorEnv([lambda: KeyDoor(max_turns=2)] * 2)
    first = vector.reset(seed=0)
    one = vector.step(["west", "west"])
    before = [np.copy(array) for array in one[1:4]]
    one[3][:] = False
    two = vector.step(["east", "east"])
    for array, kept in zip(one[1:4], before, strict=True):
        np.testing.assert_array_equal(array, kept)
    assert two[3].tolist() == [True, True]
    assert first[0] == ("You stand at a locked door.",) * 2


def test_an_environment_without_action_is_left_alone() -> None:
    vector = windy()
    vector.reset(seed=0)
    before = vector.envs[1].snapshot()
    seen = vector.step(["walk", "wait", "walk"])
    after = vector.envs[1].snapshot()
    assert after != before

    observations, rewards, _, _, infos = vector.step(["walk", None, "walk"])
    assert vector.envs[1].snapshot() == after
    assert observations[1] is seen[0][1]
    assert infos["env"][1] is seen[4]["env"][1]
    assert rewards[1] == 0.0
    assert vector.envs[0].turn == 2


def test_ended_episodes_wait_until_a_mask_names_them() -> None:
    vector = TextVectorEnv([lambda: KeyDoor(max_turns=1), lambda: KeyDoor(max_turns=9)])
    vector.reset(seed=0)
    *_, truncated, _ = vector.step(["west", "west"])
    assert truncated.tolist() == [True, False]
    *_, truncated, _ = vector.step([None, "west"])
    assert truncated.tolist() == [True, False]

    mask = np.array([True, False])
    observations, _ = vector.reset(seed=5, options={"reset_mask": mask})
    assert observations[0] == "You stand at a locked door."
    assert observations[1].startswith("You are at place 0.")
    assert [env.turn for env in vector.envs] == [0, 2]
    *_, truncated, _ = vector.step([None, "east"])
    assert truncated.tolist() == [False, False]


def test_tasks_and_seeds_go_to_their_environments() -> None:
    vector = windy()
    tasks = ["length 6", None, "length 3"]
    _, infos = vector.reset(seed=[1, 2, None], options={"tasks": tasks})
    assert [info["task_id"] for info in infos["env"]][::2] == ["length 6", "length 3"]

    alone = WindyCorridor()
    assert infos["env"][1] == alone.reset(seed=2)[1]
    one, other = windy(), windy()
    assert one.reset(seed=np.int64(3)) == other.reset(seed=[3, 4, 5])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        lambda v: v.step(["walk"]),
        lambda v: v.step(["walk"] * 4),
        lambda v: v.step("abc"),
        lambda v: v.reset(seed=[1, 2]),
        lambda v: v.reset(options={"tasks": []}),
        lambda v: v.reset(options={"tasks": ["length 3"]}),
        lambda v: v.reset(options={"reset_mask": np.array([True])}),
        lambda v: v.reset(options={"reset_mask": np.array(True)}),
        lambda v: v.reset(options={"task": "length 3"}),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_moves(call: Any) -> None:
    vector = windy()
    vector.reset(seed=0)
    before = [env.snapshot() for env in vector.envs]
    with pytest.raises(OptionError):
        call(vector)
    assert [env.snapshot() for env in vector.envs] == before


def test_unknown_tasks_and_empty_vectors_are_refused() -> None:
    with pytest.raises(UnknownTaskError):
        windy().reset(options={"tasks": ["length 3", "length 4", None]})
    with pytest.raises(ContractError, match="at least one"):
        TextVectorEnv([])


def test_ids_functions_and_environments_are_taken() -> None:
    env = KeyDoor()
    vector = TextVectorEnv(["test/KeyDoor-v0", KeyDoor, env])
    assert vector.envs[2] is env
    assert TextVectorEnv(["test/KeyDoor-v0"], max_turns=3).envs[0].max_turns == 3


def test_environments_that_gymnasium_made_are_unwrapped() -> None:
    made = gym.make("test/KeyDoor-v0")
    vector = TextVectorEnv([made, lambda: gym.make("test/KeyDoor-v0", max_turns=3)])
    assert vector.envs[0] is made.unwrapped
    assert [type(env) for env in vector.envs] == [KeyDoor, KeyDoor]
    assert vector.envs[1].max_turns == 3


@pytest.mark.parametrize(
    "envs",
    [[TimeLimit(KeyDoor(), 5)], [lambda: TimeLimit(KeyDoor(), 5)], [7], [lambda: object(), None]],
)
def test_what_is_no_bare_text_environment_is_refused(envs: Any) -> None:
    with pytest.raises(ContractError, match=r"(TimeLimit|int|object), but a TextEnv is needed"):
        TextVectorEnv(envs)


@pytest.mark.parametrize("envs", ["test/KeyDoor-v0", KeyDoor, KeyDoor()])
def test_one_environment_that_is_not_in_a_list_is_refused(envs: Any) -> None:
    with pytest.raises(OptionError, match="give a list"):
        TextVectorEnv(envs)


def test_one_instance_twice_is_refused() -> None:
    env, made = KeyDoor(), gym.make("test/KeyDoor-v0")
    for envs in ([env, KeyDoor(), env], [made, made.unwrapped]):
        with pytest.raises(OptionError, match="twice"):
            TextVectorEnv(envs)


def test_poisoned_actions_cost_a_turn_and_spare_the_others() -> None:
    vector = windy()
    vector.reset(seed=0)
    _, _, _, _, infos = vector.step(["\ud800", "a" * 10**6, "walk"])
    assert [info["action_valid"] for info in infos["env"]] == [False, False, True]
    assert [env.turn for env in vector.envs] == [1, 1, 1]


def test_it_keeps_gymnasiums_vector_conventions() -> None:
    vector, stock = windy(2), SyncVectorEnv([WindyCorridor] * 2)
    assert isinstance(vector, VectorEnv)
    assert vector.num_envs == 2
    assert vector.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert vector.single_observation_space == stock.single_observation_space
    assert vector.observation_space == stock.observation_space
    assert vector.action_space == stock.action_space

    observations, _ = vector.reset(seed=3)
    assert observations == stock.reset(seed=3)[0]
    assert observations in vector.observation_space
    ours, theirs = vector.step(["walk", "walk"]), stock.step(["walk", "walk"])
    assert ours[0] == theirs[0]
    for mine, other in zip(ours[1:4], theirs[1:4], strict=True):
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == other.dtype


def test_close_closes_every_environment() -> None:
    closed: list[int] = []

    class Closing(KeyDoor):
        def close(self) -> None:
            closed.append(1)

    vector = TextVectorEnv([Closing] * 3)
    vector.close()
    vector.close()
    assert len(closed) == 3
    assert vector.closed
