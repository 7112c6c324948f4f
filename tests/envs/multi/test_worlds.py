"""Worlds of several agents as a user plays them, and in PettingZoo's and Gymnasium's own tests."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pettingzoo
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from gymnasium.utils.env_checker import data_equivalence
from hypothesis import given, settings
from hypothesis import strategies as st
from parallel_worlds import Cards, Chairs, Haggle, Pennies, StrangersGame
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

from anchorgym.envs import (
    AnchoredParallelEnv,
    MultiAgentEnv,
    SeatEnv,
    TurnsEnv,
    make,
    make_parallel,
)
from anchorgym.envs.errors import (
    ContractError,
    OptionError,
    ResetNeededError,
    SnapshotError,
    UnknownEnvError,
    UnknownTaskError,
)

Worlds = (Pennies, Haggle, Chairs, Cards)
World = type[MultiAgentEnv[Any, Any]]


@pytest.mark.parametrize("world", Worlds)
def test_pettingzoos_own_tests_pass(world: World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel_api_test(world(), num_cycles=60)
        parallel_seed_test(world, num_cycles=60)
        api_test(TurnsEnv(world()), num_cycles=60)
        seed_test(lambda: TurnsEnv(world()), num_cycles=60)


@pytest.mark.parametrize("world", Worlds)
def test_worlds_are_anchored_and_strangers_are_not(world: World) -> None:
    assert isinstance(world(), AnchoredParallelEnv)
    assert not isinstance(StrangersGame(), AnchoredParallelEnv)


def test_infos_are_of_each_agent() -> None:
    env = Haggle()
    observations, infos = env.reset(options={"task": "worth 9 cost 3"})
    assert observations["seller_0"] == {"text": "No offer yet. Your limit is 3."}
    buyer, seller = infos["buyer_0"], infos["seller_0"]
    assert (buyer["active"], seller["active"]) == (True, False)
    assert buyer["admissible_actions"][0] == "offer 1"
    assert seller["admissible_actions"] == ()
    assert buyer["goal"] != seller["goal"]

    _, _, _, _, infos = env.step({"buyer_0": "steal it", "seller_0": "not heard"})
    assert (infos["buyer_0"]["action_valid"], infos["buyer_0"]["reason"][:5]) == (False, "offer")
    assert infos["seller_0"]["action_valid"]


@pytest.mark.parametrize("action", [None, 7, "x" * 5000, "a\0b", "\ud800", [], {}])
def test_what_cannot_be_read_costs_the_turn_and_says_why(action: Any) -> None:
    env = Haggle()
    env.reset(options={"task": "worth 9 cost 3"})
    _, rewards, _, _, infos = env.step({"buyer_0": action})
    assert not infos["buyer_0"]["action_valid"]
    assert infos["buyer_0"]["reason"]
    assert rewards == {"buyer_0": 0.0, "seller_0": 0.0}
    assert env.turn_of == "seller_0"


@pytest.mark.parametrize("action", [2, -1, None, "0", 0.5, [0], np.zeros(3), {"a": 1}])
def test_what_is_outside_an_array_worlds_space_is_refused(action: Any) -> None:
    env = Pennies()
    env.reset(seed=0)
    _, rewards, _, _, infos = env.step({"even_0": 1, "odd_0": action})
    assert not infos["odd_0"]["action_valid"]
    assert infos["even_0"]["action_valid"]
    assert rewards == {"even_0": 0.0, "odd_0": 0.0}


def test_agents_leave_and_the_others_play_on() -> None:
    env = Chairs()
    env.reset(seed=3, options={"task": "three"})
    while len(env.agents) == 3:
        seen = env.step(dict.fromkeys(env.agents, 1))
    assert all(set(part) == {"player_0", "player_1", "player_2"} for part in seen)
    gone = next(agent for agent in env.possible_agents if agent not in env.agents)
    assert seen[2][gone]
    assert not seen[4][gone]["active"]
    seen = env.step({**dict.fromkeys(env.agents, 0), gone: 1})
    assert gone not in seen[0]


def test_a_task_may_have_fewer_agents() -> None:
    assert set(Chairs().reset(options={"task": "two"})[0]) == {"player_0", "player_1"}


def test_the_turn_limit_truncates_who_is_left_and_then_nothing_happens() -> None:
    env = Chairs(max_turns=2)
    env.reset(seed=0)
    still = dict.fromkeys(env.agents, 0)
    assert not any(env.step(still)[3].values())
    _, _, terminated, truncated, _ = env.step(still)
    assert (any(terminated.values()), all(truncated.values())) == (False, True)
    assert env.agents == []
    assert env.step({}) == ({}, {}, {}, {}, {})


def test_callers_mistakes_are_typed_errors() -> None:
    env = Pennies()
    with pytest.raises(ResetNeededError):
        env.step({})
    with pytest.raises(ResetNeededError):
        env.snapshot()
    env.reset(seed=0, options={"task": "rounds 5"})
    before = env.snapshot()
    with pytest.raises(UnknownTaskError):
        env.reset(options={"task": "rounds 7"})
    with pytest.raises(OptionError, match="taks"):
        env.reset(options={"taks": "rounds 2"})
    with pytest.raises(OptionError, match="heads_0"):
        env.step({"heads_0": 1})
    for data in (b"", b"{}", before[:-9], Chairs.snapshot):
        with pytest.raises(SnapshotError):
            env.restore(data)  # type: ignore[arg-type]
    assert env.snapshot() == before


def test_an_outcome_of_a_stranger_is_the_worlds_mistake() -> None:
    class Confused(Pennies):
        def act(self, actions: Any) -> Any:
            return {**super().act(actions), "heads_0": None}

    env = Confused()
    env.reset(seed=0)
    with pytest.raises(ContractError, match="heads_0"):
        env.step({"even_0": 0, "odd_0": 1})


def play_on(env: Any, rng: np.random.Generator, turns: int) -> list[Any]:
    trace = []
    for _ in range(turns):
        listed = {agent: env.info(agent)["admissible_actions"] for agent in env.agents}
        chosen = {a: some[int(rng.integers(len(some)))] for a, some in listed.items() if some}
        trace.append((*env.step(chosen), env.anchor()))
    return trace


@settings(max_examples=40)
@given(
    world=st.sampled_from(Worlds),
    seed=st.integers(0, 50),
    before=st.integers(0, 6),
    reseed=st.sampled_from([None, 7]),
)
def test_a_restored_state_has_the_same_future(
    world: World, seed: int, before: int, reseed: int | None
) -> None:
    env, other = world(), world()
    env.reset(seed=seed)
    play_on(env, np.random.default_rng(seed), before)
    kept = env.snapshot()
    json.loads(kept.decode())
    seen = env.restore(kept, seed=reseed)
    assert data_equivalence(seen, other.restore(kept, seed=reseed), exact=True)
    futures = [play_on(one, np.random.default_rng(1), 5) for one in (env, other)]
    assert data_equivalence(*futures, exact=True)


def test_an_information_set_does_not_know_the_other_card() -> None:
    keys: dict[int, set[bytes]] = {}
    joint = set()
    for seed in range(40):
        env = Cards()
        env.reset(seed=seed, options={"task": "three cards"})
        infos = env.step(dict.fromkeys(env.agents, "draw"))[4]
        keys.setdefault(env.cards["player_0"], set()).add(infos["player_0"]["anchor"])
        joint.add(env.anchor())
    assert len(joint) == 6
    assert [len(of_card) for of_card in keys.values()] == [1, 1, 1]
    assert len(set.union(*keys.values())) == 3


# One agent at a time ----------------------------------------------------------------------------


def turns_trace(env: TurnsEnv, rng: np.random.Generator, steps: int) -> list[Any]:
    trace = []
    for _ in range(steps):
        if not env.agents:
            break
        agent = env.agent_selection
        observation, reward, terminated, truncated, info = env.last()
        trace.append((agent, observation, float(reward), terminated, truncated, env.anchor()))
        options = info["admissible_actions"] or (None,)
        over = terminated or truncated
        env.step(None if over else options[int(rng.integers(len(options)))])
    return trace


@settings(max_examples=40)
@given(world=st.sampled_from(Worlds), seed=st.integers(0, 30), before=st.integers(0, 9))
def test_the_turns_view_is_kept_and_restored_half_way_through_a_round(
    world: World, seed: int, before: int
) -> None:
    env, other = TurnsEnv(world()), TurnsEnv(world())
    env.reset(seed=seed)
    turns_trace(env, np.random.default_rng(seed), before)
    kept = env.snapshot()
    other.restore(kept)
    assert other.anchor() == env.anchor()
    assert other.snapshot() == kept
    futures = [turns_trace(one, np.random.default_rng(1), 12) for one in (env, other)]
    assert data_equivalence(*futures, exact=True)


def test_a_choice_that_nobody_knows_of_is_in_the_anchor_and_in_no_observation() -> None:
    env = TurnsEnv(Pennies())
    seen, anchors = set(), set()
    for coin in (0, 1):
        env.reset(seed=0, options={"task": "rounds 2"})
        env.step(coin)
        observation, *_, info = env.last()
        seen.add((observation.tobytes(), info["anchor"]))
        anchors.add(env.anchor())
    assert (len(seen), len(anchors)) == (1, 2)
    with pytest.raises(SnapshotError):
        env.restore(env.env.snapshot())
    with pytest.raises(ResetNeededError):
        TurnsEnv(Pennies()).snapshot()


# One seat ---------------------------------------------------------------------------------------


def random_play(agent: str, observation: Any, info: Any, rng: np.random.Generator) -> Any:
    options = info["admissible_actions"]
    return options[int(rng.integers(len(options)))]


@pytest.mark.parametrize("world", Worlds)
@pytest.mark.filterwarnings("ignore:.*render")
@pytest.mark.filterwarnings("ignore:.*precision lowered")
def test_gymnasiums_checker_passes_on_a_seat(world: World) -> None:
    env = SeatEnv(world(), world().possible_agents[1], random_play)
    gymnasium_check_env(env, skip_render_check=True)


def test_a_seat_waits_for_its_turn() -> None:
    env = SeatEnv(Haggle(), "seller_0", lambda *_: "offer 4")
    observation, info = env.reset(options={"task": "worth 9 cost 3"})
    assert observation["text"].startswith("The price on the table is 4.")
    assert info["active"]
    observation, reward, terminated, _, info = env.step("accept")
    assert (reward, terminated, info["won"]) == (1.0, True, True)


@settings(max_examples=30)
@given(world=st.sampled_from(Worlds), seed=st.integers(0, 30), reseed=st.sampled_from([None, 5]))
def test_a_seat_is_kept_and_restored_with_its_opponents_chance(
    world: World, seed: int, reseed: int | None
) -> None:
    def future(env: SeatEnv) -> list[Any]:
        rng, trace = np.random.default_rng(2), []
        over = False
        while not over:
            options = env.env.admissible_actions(env.seat)
            step = env.step(options[int(rng.integers(len(options)))])
            trace.append((*step, env.anchor()))
            over = step[2] or step[3]
        return trace

    env, other = (SeatEnv(world(), world().possible_agents[0], random_play) for _ in range(2))
    env.reset(seed=seed)
    kept = env.snapshot()
    env.restore(kept, seed=reseed)
    other.restore(kept, seed=reseed)
    assert data_equivalence(future(env), future(other), exact=True)


def test_the_other_seats_do_not_draw_what_the_world_draws() -> None:
    env = SeatEnv(Chairs(), "player_0", random_play)
    env.reset(seed=4)
    assert env.np_random.random() != env.env.np_random.random()


def test_a_seat_that_is_not_there_is_refused() -> None:
    with pytest.raises(OptionError, match="Did you mean 'player_0'"):
        SeatEnv(Chairs(), "playr_0", random_play)
    with pytest.raises(OptionError, match="no part in task 'two'"):
        SeatEnv(Chairs(), "player_2", random_play).reset(options={"task": "two"})
    with pytest.raises(ResetNeededError):
        SeatEnv(Chairs(), "player_0", random_play).step(1)


# Ids --------------------------------------------------------------------------------------------


def test_worlds_are_made_by_id_here_and_by_pettingzoo() -> None:
    assert type(make_parallel("test/Haggle-v0")) is Haggle
    assert make_parallel("parallel_worlds:test/Haggle-v0", max_turns=3).max_turns == 3
    assert type(pettingzoo.make("parallel", "test/Chairs-v0")) is Chairs


def test_ids_that_cannot_be_made_say_what_could() -> None:
    with pytest.raises(UnknownEnvError, match="Did you mean 'test/Haggle-v0'"):
        make_parallel("test/Hagle-v0")
    several = r"of several agents.*anchorgym selfplay.*make_parallel"
    with pytest.raises(UnknownEnvError, match=several):
        make("test/Haggle-v0")
    with pytest.raises(UnknownEnvError, match=r"of a single agent.*anchorgym train.* with make"):
        make_parallel("anchorgym/ALFWorld-v0")
    with pytest.raises(OptionError, match="max_rounds"):
        make_parallel("test/Pennies-v0", max_rounds=3)
    with pytest.raises(UnknownEnvError, match="no_such_module"):
        make_parallel("no_such_module:test/Pennies-v0")
    pettingzoo.register("parallel", "test/Nothing-v0", entry_point=lambda: object())
    with pytest.raises(ContractError, match="ParallelEnv"):
        make_parallel("test/Nothing-v0")


def test_importing_the_environments_stays_light() -> None:
    code = (
        "import sys, anchorgym.envs; sys.exit(bool({'scipy', 'pygame', 'torch'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
