"""The bridge: battles that can be played again, and a process that may be lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from vgc_battles import EVERYONE, REG_I, play_random, replayed_log, starts

from anchorgym.envs.vgc.bridge import EVERYTHING, Bridge, Move
from anchorgym.envs.vgc.errors import BridgeError
from anchorgym.envs.vgc.records import FORMATS, BattleRecord, BattlesLostError, Step

LEAD = Move(0, ("team 1234", "team 1234")).choices


def opened(bridge: Bridge, n: int = 1) -> list[int]:
    numbers, _ = bridge.open(starts(bridge, n))
    bridge.choose([Move(number, LEAD) for number in numbers])
    return numbers


def test_a_record_is_the_battle(bridge: Bridge) -> None:
    played = play_random(bridge, starts(bridge, 6), log=True)
    for record, log in zip(played.records, played.logs, strict=True):
        again = BattleRecord.from_json(record.to_json())
        assert again == record
        assert replayed_log(bridge, again) == log
        assert any(line.startswith(("|win|", "|tie")) for line in log)


def test_a_record_that_is_none_is_refused() -> None:
    with pytest.raises(BridgeError, match="no record"):
        BattleRecord.from_json({"format": REG_I, "seed": [1, 2, 3]})


@pytest.mark.parametrize("format", FORMATS)
def test_the_faster_simulator_plays_the_same_battles(bridge: Bridge, format: str) -> None:
    compare_with_plain(bridge, format, 3)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_the_faster_simulator_plays_the_same_battles_at_length(bridge: Bridge, format: str) -> None:
    compare_with_plain(bridge, format, 200)


def compare_with_plain(bridge: Bridge, format: str, n: int) -> None:
    played = play_random(bridge, starts(bridge, n, format), log=True)
    plain = Bridge(plain=True)
    for record, log in zip(played.records, played.logs, strict=True):
        assert replayed_log(plain, record) == log
    assert len(played.records) == n
    plain.close()


def test_forks_have_the_same_future_until_they_are_reseeded(bridge: Bridge) -> None:
    (battle,) = opened(bridge)
    state = bridge.key(battle)
    one, two, *others = bridge.fork(battle, 8)
    assert bridge.key(one) == bridge.key(two) == state
    moves = ("default", "default")
    frames = bridge.choose([Move(b, moves) for b in (battle, one, two)], EVERYTHING)
    assert frames[0] == frames[1] == frames[2]
    reseeded = bridge.choose(
        [Move(b, moves, (i, 5, 6, 7)) for i, b in enumerate(others)], EVERYTHING
    )
    assert any(frame != frames[0] for frame in reseeded)


def test_a_saved_battle_goes_on_in_another_process(bridge: Bridge) -> None:
    (battle,) = opened(bridge)
    other = Bridge()
    copy, frame = other.load(bridge.save(battle), EVERYTHING)
    assert frame == bridge.look(battle)
    assert other.key(copy) == bridge.key(battle)
    move = ("default", "default")
    assert other.choose([Move(copy, move)], EVERYTHING) == bridge.choose(
        [Move(battle, move)], EVERYTHING
    )
    assert other.record(copy) == bridge.record(battle)
    other.close()


def test_choices_for_an_unknown_battle_touch_no_other(bridge: Bridge) -> None:
    (battle,) = opened(bridge)
    key, record = bridge.key(battle), bridge.record(battle)
    both = [Move(battle, ("default", "default")), Move(10**9, ("default", "default"))]
    with pytest.raises(BridgeError, match="no battle 1000000000"):
        bridge.choose(both)
    assert (bridge.key(battle), bridge.record(battle)) == (key, record)


def test_a_crash_reports_the_battles_and_they_can_be_resumed(bridge: Bridge) -> None:
    one, two = opened(bridge, 2)
    keys = {one: bridge.key(one), two: bridge.key(two)}
    assert bridge.pid is not None
    os.kill(bridge.pid, signal.SIGKILL)
    with pytest.raises(BattlesLostError, match=r"battles lost: [0-9]+") as caught:
        bridge.choose([Move(one, ("default", "default"))])
    assert {one, two} <= set(caught.value.lost)  # other tests have battles there too
    for number in (one, two):
        record = caught.value.lost[number]
        assert record.steps == (Step(LEAD),)
        again, _ = bridge.resume(record)
        assert bridge.key(again) == keys[number]


def test_a_battle_that_was_lost_earlier_is_reported_when_it_is_asked_for(bridge: Bridge) -> None:
    one, two = opened(bridge, 2)
    assert bridge.pid is not None
    os.kill(bridge.pid, signal.SIGKILL)
    with pytest.raises(BattlesLostError):
        bridge.choose([Move(one, ("default", "default"))])
    assert opened(bridge)
    with pytest.raises(BattlesLostError, match="earlier") as caught:
        bridge.choose([Move(two, ("default", "default"))])
    assert set(caught.value.lost) == {two}


def test_a_lost_battle_that_was_discarded_is_forgotten(bridge: Bridge) -> None:
    one, two = opened(bridge, 2)
    assert bridge.pid is not None
    os.kill(bridge.pid, signal.SIGKILL)
    with pytest.raises(BattlesLostError):
        bridge.look(one)
    bridge.discard([one])
    with pytest.raises(BridgeError, match=f"no battle {one}"):
        bridge.choose([Move(one, ("default", "default"))])
    with pytest.raises(BattlesLostError, match="earlier") as caught:
        bridge.choose([Move(two, ("default", "default"))])
    assert set(caught.value.lost) == {two}


def test_the_simulator_forgets_a_battle_that_was_discarded(bridge: Bridge) -> None:
    one, two = opened(bridge, 2)
    bridge.discard([one])
    with pytest.raises(BridgeError):
        bridge.key(one)
    assert bridge.key(two)


def test_battles_of_two_crashes_are_reported_each(bridge: Bridge) -> None:
    battles: list[int] = []
    for _ in range(2):
        battles += opened(bridge)
        assert bridge.pid is not None
        os.kill(bridge.pid, signal.SIGKILL)
        with pytest.raises(BattlesLostError) as caught:
            bridge.look(battles[-1])
        assert set(battles) <= set(caught.value.lost)
    for number in battles:
        with pytest.raises(BattlesLostError, match="earlier") as caught:
            bridge.choose([Move(number, ("default", "default"))])
        assert caught.value.lost[number].steps == (Step(LEAD),)


def test_a_process_that_hangs_is_ended_at_the_deadline(simulator: None) -> None:
    bridge = Bridge(deadline=30)
    (battle,) = opened(bridge)
    assert bridge.pid is not None
    hanging = psutil.Process(bridge.pid)
    hanging.suspend()
    bridge.deadline = 0.5
    with pytest.raises(BattlesLostError, match=r"within 0\.5 seconds"):
        bridge.choose([Move(battle, ("default", "default"))])
    assert not hanging.is_running()
    bridge.deadline = 30
    assert opened(bridge)
    bridge.close()


def test_refused_requests_leave_the_battles_alone(bridge: Bridge) -> None:
    (battle,) = opened(bridge)
    with pytest.raises(BridgeError, match="no double format"):
        bridge.make_team("gen9vgc1999", (1, 2, 3, 4))
    with pytest.raises(BridgeError, match="no battle"):
        bridge.choose([Move(battle + 100, ("default", "default"))])
    assert bridge.look(battle)["turn"] == 1


def test_a_refused_choice_leaves_its_player_asked(bridge: Bridge) -> None:
    (battle,) = opened(bridge)
    (frame,) = bridge.choose([Move(battle, ("move 9, move 9", "default"))])
    assert frame["seats"][0]["error"].startswith("[Invalid choice]")
    assert frame["seats"][0]["legal"] is not None
    assert frame["seats"][1]["legal"] is None
    (frame,) = bridge.choose([Move(battle, ("default", None))])
    assert "error" not in frame["seats"][0]


def test_a_bridge_is_not_used_across_a_fork(bridge: Bridge) -> None:
    opened(bridge)
    bridge._owner = os.getpid() + 1
    with pytest.raises(BridgeError, match="after the fork"):
        bridge.make_team(REG_I, (1, 2, 3, 4))
    bridge._owner = os.getpid()


ORPHAN = """
import os, sys, time
from anchorgym.envs.vgc.bridge import Bridge
bridge = Bridge()
bridge.make_team("gen9vgc2025regi", (1, 2, 3, 4))
if os.fork() == 0:  # holds the pipes open after its parent is gone
    time.sleep(20)
    os._exit(0)
print(bridge.pid, flush=True)
time.sleep(60)
"""


def test_no_simulator_outlives_the_process_that_started_it(simulator: None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
        parent.stdout.close()
    for _ in range(100):
        if not child.is_running() or child.status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the simulator's process is still there")


def test_the_log_of_everyone_holds_the_turns(bridge: Bridge) -> None:
    (battle,) = opened(bridge)
    assert "|turn|1" in bridge.log(battle, EVERYONE)
    assert not any(line.startswith("|t:|") for line in bridge.log(battle))
