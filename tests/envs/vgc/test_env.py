"""The world as PettingZoo and Gymnasium see it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from anchorgym.envs import SeatEnv, check_parallel_env, make_parallel
from anchorgym.envs.errors import OptionError, SnapshotError
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.env import VGCEnv
from anchorgym.envs.vgc.players.base import RandomPlayer
from anchorgym.envs.vgc.records import BattleRecord, BattlesLostError


@pytest.fixture
def env(simulator: None) -> Iterator[VGCEnv]:
    env = VGCEnv(teams=4)
    yield env
    env.close()


def drawn(env: VGCEnv, rng: np.random.Generator) -> dict[str, Any]:
    """Return an admissible action of each player who is asked."""
    listed = {a: env.admissible_actions(a) for a in env.agents if env.active(a)}
    return {agent: actions[int(rng.integers(len(actions)))] for agent, actions in listed.items()}


def played(env: VGCEnv, seed: int, turns: int = 400) -> list[Any]:
    rng = np.random.default_rng(seed)
    seen = []
    while env.agents and turns:
        observations, rewards, *_, infos = env.step(drawn(env, rng))
        assert all(info["action_valid"] for info in infos.values())
        seen.append(({a: o["text"] for a, o in observations.items()}, rewards, env.anchor()))
        turns -= 1
    return seen


def test_it_is_a_parallel_environment(env: VGCEnv) -> None:
    parallel_api_test(env, num_cycles=60)
    by_id = make_parallel("anchorgym/VGC-v0", actions="ids")
    parallel_api_test(by_id, num_cycles=30)
    by_id.close()


@pytest.mark.parametrize("turns", [4, pytest.param(300, marks=pytest.mark.slow)])
def test_it_keeps_the_contract(simulator: None, turns: int) -> None:
    def make() -> VGCEnv:
        return VGCEnv(teams=2, observations=("text", "mask"), max_turns=turns)

    report = check_parallel_env(make, episodes=1)
    assert report.ok, str(report)


def test_task_and_seed_make_the_battle(env: VGCEnv) -> None:
    runs = []
    for seed in (3, 3, 4):
        env.reset(seed=seed, options={"task": "t0 vs t1"})
        runs.append(played(env, 0))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    rewards = list(runs[0][-1][1].values())
    assert sorted(rewards) in ([-1.0, 1.0], [0.0, 0.0])


def test_the_start_follows_from_the_task_alone(env: VGCEnv) -> None:
    starts = []
    for seed in (1, 2):
        observations, infos = env.reset(seed=seed, options={"task": "t2 vs t3"})
        starts.append((observations["p1"]["text"], infos["p1"]["anchor"], env.anchor()))
    assert starts[0] == starts[1]


def test_a_snapshot_has_one_future_and_a_seed_another(env: VGCEnv) -> None:
    env.reset(seed=5, options={"task": "t0 vs t1"})
    played(env, 1, turns=3)
    snapshot, anchor = env.snapshot(), env.anchor()
    before = {agent: env.observe(agent)["text"] for agent in env.agents}
    first = played(env, 2, turns=6)
    observations, _ = env.restore(snapshot)
    assert env.snapshot() == snapshot
    assert {agent: seen["text"] for agent, seen in observations.items()} == before
    assert env.anchor() == anchor
    assert played(env, 2, turns=6) == first
    others = []
    for seed in (1, 2):
        env.restore(snapshot, seed=seed)
        assert env.anchor() == anchor
        others.append(played(env, 2, turns=6))
    assert others[0] != others[1]


def test_a_snapshot_fits_a_world_of_its_own_kind(env: VGCEnv) -> None:
    env.reset(seed=5)
    closed = VGCEnv(teams=4, open_sheets=False)
    with pytest.raises(SnapshotError):
        closed.restore(env.snapshot())
    closed.close()


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("fly away", "no team preview"),
        ("team 1123", "no team preview"),
        ("", "no team preview"),
    ],
)
def test_a_preview_that_cannot_be_read_is_left_to_the_simulator(
    env: VGCEnv, action: str, said: str
) -> None:
    env.reset(seed=1)
    *_, infos = env.step({"p1": action, "p2": "team 1234"})
    assert said in infos["p1"]["reason"]
    assert infos["p2"]["action_valid"]
    assert "Turn 1" in env.observe("p1")["text"]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("move 1 1", "no choice"),
        ("switch 1, switch 2", "cannot"),
        ("switch 3, switch 3", "together"),
    ],
)
def test_a_choice_that_is_none_is_left_to_the_simulator(
    env: VGCEnv, action: str, said: str
) -> None:
    env.reset(seed=1)
    env.step({"p1": "team 1234", "p2": "team 4321"})
    *_, infos = env.step({"p1": action, "p2": env.admissible_actions("p2")[0]})
    assert said in infos["p1"]["reason"]


def test_ids_and_text_play_the_same_battle(env: VGCEnv) -> None:
    by_id = VGCEnv(teams=4, actions="ids")
    anchors = []
    for world in (env, by_id):
        world.reset(seed=2, options={"task": "t1 vs t2"})
        anchors.append([anchor for *_, anchor in played(world, 7, turns=10)])
    assert anchors[0] == anchors[1]
    by_id.close()


def test_the_mask_holds_what_is_admissible(simulator: None) -> None:
    env = VGCEnv(teams=4, actions="ids")
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(15):
        for agent in env.agents:
            chosen = env.observe(agent)["mask"]
            for one, two in env.admissible_actions(agent):
                assert chosen[0, one]
                assert chosen[1, two]
        env.step(drawn(env, rng))
    env.close()


def test_a_lost_process_is_made_up_for(env: VGCEnv) -> None:
    runs = []
    for crash in (False, True):
        env.reset(seed=6, options={"task": "t0 vs t2"})
        first = played(env, 3, turns=3)
        if crash:
            assert env.bridge.pid is not None
            os.kill(env.bridge.pid, signal.SIGKILL)
        rng = np.random.default_rng(9)
        env.step(drawn(env, rng))
        runs.append((first, env.anchor()))
    assert runs[0] == runs[1]


def test_a_battle_that_brings_the_simulator_down_again_is_reported(
    env: VGCEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.reset(seed=6, options={"task": "t0 vs t2"})
    resume, times = env.bridge.resume, 0

    def crash() -> None:
        assert env.bridge.pid is not None
        os.kill(env.bridge.pid, signal.SIGKILL)

    def resumed(record: BattleRecord) -> Any:
        nonlocal times
        times += 1
        found = resume(record)
        crash()
        return found

    monkeypatch.setattr(env.bridge, "resume", resumed)
    crash()
    with pytest.raises(BattlesLostError):
        env.step(drawn(env, np.random.default_rng(9)))
    assert times == 1


def test_the_record_is_the_battle(env: VGCEnv, bridge: Bridge) -> None:
    env.reset(seed=8)
    played(env, 4, turns=5)
    number, _ = bridge.resume(env.record())
    assert bridge.key(number) == env.anchor()


def test_one_seat_is_a_gymnasium_environment(simulator: None) -> None:
    def foe(agent: str, observation: Any, info: Any, rng: np.random.Generator) -> Any:
        actions = info["admissible_actions"]
        return actions[int(rng.integers(len(actions)))]

    seat = SeatEnv(VGCEnv(teams=4), "p1", foe)
    _, info = seat.reset(seed=1)
    done, total, rng = False, 0.0, np.random.default_rng(0)
    while not done:
        actions = info["admissible_actions"]
        _, reward, terminated, truncated, info = seat.step(actions[int(rng.integers(len(actions)))])
        total += reward
        done = terminated or truncated
    assert total in (-1, 0, 1)
    seat.close()


def test_strange_options_are_refused(simulator: None) -> None:
    with pytest.raises(OptionError, match="text"):
        VGCEnv(actions="words")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="smells"):
        VGCEnv(observations=("text", "smells"))


def test_the_colour_of_a_bar_is_no_part_of_its_health(simulator: None) -> None:
    """Where a share lies between two colours, the simulator names one: `20/100y`."""
    env = VGCEnv(format="gen9championsvgc2026regmb", observations=("mask",), actions="ids")
    player = RandomPlayer(np.random.default_rng(0))
    for battle in range(8):
        env.reset(seed=battle)
        while env.agents:
            asked = [agent for agent in env.agents if env.active(agent)]
            seen = {agent: env.situation(agent) for agent in asked}
            assert all(0 <= foe.health <= 1 for now in seen.values() for foe in now.foes)
            env.step({agent: np.array(player.choose(now)) for agent, now in seen.items()})


@pytest.mark.slow
@pytest.mark.parametrize("format", ["gen9vgc2025regi", "gen9championsvgc2026regmb"])
@pytest.mark.parametrize("open_sheets", [True, False])
def test_a_thousand_battles_without_an_invalid_choice(
    simulator: None, format: str, open_sheets: bool
) -> None:
    """500 battles of each kind: 2,000 in all, half by the expert against chance."""
    env = VGCEnv(format=format, open_sheets=open_sheets, observations=("mask",), actions="ids")
    rng = np.random.default_rng(0)
    player = RandomPlayer(rng)
    for battle in range(500):
        env.reset(seed=battle)
        while env.agents:
            actions = {
                agent: np.array(player.choose(env.situation(agent)))
                for agent in env.agents
                if env.active(agent)
            }
            if battle % 2 and "p1" in actions:
                actions["p1"] = env.expert_action("p1")
            *_, infos = env.step(actions)
            assert all(info["action_valid"] for info in infos.values()), infos
    env.close()
