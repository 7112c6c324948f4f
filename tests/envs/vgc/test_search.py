"""Looking ahead: in battles that are imagined from what a player knows, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from vgc_battles import REG_I, starts

from anchorgym.envs.vgc.actions import pair_text
from anchorgym.envs.vgc.arena import Asked, Fixture, Programs, play
from anchorgym.envs.vgc.bridge import Bridge, Move
from anchorgym.envs.vgc.knowledge import Knowledge, knowledge
from anchorgym.envs.vgc.players.heuristic import Heuristic
from anchorgym.envs.vgc.players.search import SearchPlayer
from anchorgym.envs.vgc.records import BattleRecord, Frame
from anchorgym.envs.vgc.situation import situation

WANTS = ("request", "view")


@pytest.fixture(scope="module")
def known(simulator: None) -> Knowledge:
    return knowledge(REG_I)


def first_turn(bridge: Bridge, start: BattleRecord, choices: tuple[str, str]) -> tuple[int, Frame]:
    (number,), _ = bridge.open([start], WANTS)
    (frame,) = bridge.choose([Move(number, choices)], WANTS)
    return number, frame


def trained_otherwise(team: str) -> str:
    """Return a packed team that looks the same on a team sheet: with nobody trained."""
    members = []
    for member in team.split("]"):
        fields = member.split("|")
        fields[5], fields[6] = "Serious", "1,1,1,1,1,1"
        members.append("|".join(fields))
    return "]".join(members)


def asked(number: int, frame: Frame) -> Asked:
    return Asked(0, number, 0, frame["seats"][0], False, np.random.default_rng(3))


def test_what_is_hidden_changes_nothing(bridge: Bridge, known: Knowledge) -> None:
    """The foe is trained otherwise and has others in the back; its player sees none of that."""
    found = 0
    for start in starts(bridge, 5):
        start = replace(start, open_sheets=True)
        other = replace(start, teams=(start.teams[0], trained_otherwise(start.teams[1])))
        real = first_turn(bridge, start, ("team 1234", "team 1234"))
        hidden = first_turn(bridge, other, ("team 1234", "team 1256"))
        views = [frame["seats"][0]["view"] for _, frame in (real, hidden)]
        if views[0] != views[1]:  # somebody's speed has shown, by whose ability came first
            continue
        found += 1
        player = SearchPlayer(bridge, known, samples=1, own=4)
        assert player.choose([asked(*real)]) == player.choose([asked(*hidden)])
        seats = [frame["seats"][0] for _, frame in (real, hidden)]
        imagined = [bridge.imagine(REG_I, seat, 0, [(1, 2, 3, 4)], WANTS)[1] for seat in seats]
        assert imagined[0] == imagined[1]
    assert found >= 2


def test_an_imagined_battle_looks_like_the_real_one(bridge: Bridge, known: Knowledge) -> None:
    heuristic, compared = Heuristic(known), 0
    for start in starts(bridge, 3):
        (number,), (frame,) = bridge.open([start], WANTS)
        while not frame["ended"]:
            seats = frame["seats"]
            mine = seats[0]
            if mine["legal"] is not None and (mine["request"] or {}).get("active"):
                (_,), (imagined,) = bridge.imagine(REG_I, mine, 0, [(5, 6, 7, 8)], WANTS)
                compared += 1
                assert shown(imagined) == shown(frame)
            choices = [
                pair_text(heuristic.choose(situation(seat, i, known.tables)), frame["turn"] == 0)
                if seat["legal"] is not None
                else None
                for i, seat in enumerate(seats)
            ]
            (frame,) = bridge.choose([Move(number, (choices[0], choices[1]))], WANTS)
    assert compared > 10


def shown(frame: Frame) -> Any:
    """Return what one's own player is told of its Pokémon in a frame."""
    request = frame["seats"][0]["request"]
    assert request is not None
    team = request["side"]["pokemon"]
    kept = ("condition", "active", "stats", "moves", "item", "terastallized")
    return [{name: pokemon.get(name) for name in kept} for pokemon in team]


def test_what_is_unknown_is_drawn_anew(bridge: Bridge, known: Knowledge) -> None:
    start = replace(starts(bridge, 1)[0], open_sheets=False)
    _, frame = first_turn(bridge, start, ("team 1234", "team 1234"))
    seeds = [(i, 2, 3, 4) for i in range(6)]
    _, frames = bridge.imagine(REG_I, frame["seats"][0], 0, seeds, WANTS)
    teams = set()
    for imagined in frames:
        request = imagined["seats"][1]["request"]
        assert request is not None
        teams.add(str([(p["details"], p["stats"]) for p in request["side"]["pokemon"]]))
    assert len(teams) > 1


@pytest.mark.slow
def test_search_beats_the_heuristic(bridge: Bridge, known: Knowledge) -> None:
    """60 battles, every start twice: more than half by two standard errors."""
    search = SearchPlayer(bridge, known)
    heuristic = Programs(lambda rng: Heuristic(known), known.tables)
    pairs = ((search, heuristic), (heuristic, search))
    fixtures = [
        Fixture(start, players, k)
        for k, start in enumerate(starts(bridge, 30))
        for players in pairs
    ]
    won = sum(one.payoff(one.game % 2) for one in play(bridge, fixtures, width=8))
    assert 0.5 + won / 120 >= 0.5 + 2 * 0.5 / 60**0.5
