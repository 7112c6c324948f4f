"""Battles between players, many at a time."""

from __future__ import annotations

import os
import signal

import pytest
from vgc_battles import REG_I, starts

from anchorgym.envs.vgc.arena import Fixture, Programs, play
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.envs.vgc.players.base import RandomPlayer


@pytest.fixture(scope="module")
def by_chance(simulator: None) -> Programs:
    return Programs(RandomPlayer, knowledge(REG_I).tables)


def test_a_battle_is_the_same_whatever_else_is_played(bridge: Bridge, by_chance: Programs) -> None:
    fixtures = [
        Fixture(start, (by_chance, by_chance), i) for i, start in enumerate(starts(bridge, 6))
    ]
    found = [
        sorted(play(bridge, fixtures, width=width), key=lambda one: one.game) for width in (1, 4)
    ]
    for one, other in zip(*found, strict=True):
        assert one.record == other.record
        assert one.winner == other.winner
        assert not one.refused
        assert one.payoff(0) == -one.payoff(1)


def test_chance_can_be_drawn_anew_from_the_first_choice_on(
    bridge: Bridge, by_chance: Programs
) -> None:
    start = starts(bridge, 1)[0]
    players = (by_chance, by_chance)
    fixtures = [Fixture(start, players, 5, (i, i, i, i)) for i in (1, 1, 2)]
    one, same, other = (
        found.record for found in sorted(play(bridge, fixtures), key=lambda f: f.game)
    )
    assert one == same
    assert one != other
    assert one.steps[0].seed == (1, 1, 1, 1)


def test_battles_that_go_down_with_the_process_are_played_on(by_chance: Programs) -> None:
    bridge = Bridge()
    try:
        fixtures = [
            Fixture(start, (by_chance, by_chance), i) for i, start in enumerate(starts(bridge, 5))
        ]
        expected = {one.game: one.record for one in play(bridge, fixtures)}
        found = {}
        for one in play(bridge, fixtures, width=3):
            found[one.game] = one.record
            assert bridge.pid is not None
            os.kill(bridge.pid, signal.SIGKILL)
        assert found == expected
    finally:
        bridge.close()
