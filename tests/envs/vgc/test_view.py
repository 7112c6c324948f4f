"""What a player knows: nothing that is hidden, and everything that was shown."""

from __future__ import annotations

from typing import Any

import pytest
from vgc_battles import REG_I, starts

from anchorgym.envs.vgc.bridge import EVERYTHING, Bridge, Move
from anchorgym.envs.vgc.env import tokens
from anchorgym.envs.vgc.records import BattleRecord
from anchorgym.envs.vgc.situation import situation

FOE = "Incineroar||SitrusBerry|Blaze|FlareBlitz,Protect,KnockOff,FakeOut|Jolly|,252,,,,252|M|||50|"
ZOROARK = (
    "Zoroark-Hisui||FocusSash|Illusion|HyperVoice,Protect,BitterMalice,NightSlash|Timid"
    "|,,,252,,252|M|||50|"
)
MASK = (
    "Rillaboom||MiracleSeed|Overgrow|WoodHammer,Protect,UTurn,HighHorsepower|Jolly"
    "|,252,,,,252|M|||50|"
)
OTHERS = (
    "Milotic||Leftovers|MarvelScale|Scald,Protect,Recover,IcyWind|Bold|252,,252,,,|F|||50|",
    "Flygon||LifeOrb|Levitate|Earthquake,Protect,RockSlide,DragonClaw|Jolly|,252,,,,252|F|||50|",
)


def team(*members: str) -> str:
    return "]".join(members)


OWN = team(
    FOE, *OTHERS, ZOROARK.replace("Zoroark-Hisui", "Garchomp").replace("Illusion", "Rough Skin")
)


def seen_by_p1(bridge: Bridge, foes: str, lead: str, *, sheets: bool = False) -> tuple[int, Any]:
    start = BattleRecord(REG_I, (1, 2, 3, 4), (OWN, foes), sheets)
    (battle,), _ = bridge.open([start])
    (frame,) = bridge.choose([Move(battle, ("team 1234", lead))], EVERYTHING)
    return battle, frame["seats"][0]


def test_an_illusion_cannot_be_told_from_what_it_shows(bridge: Bridge) -> None:
    foes = team(ZOROARK, MASK, *OTHERS)
    _, masked = seen_by_p1(bridge, foes, "team 1342")  # disguised as its last, Rillaboom
    _, real = seen_by_p1(bridge, foes, "team 2341")
    assert masked == real
    assert "Zoroark" not in "".join(line for line in masked["log"] if "|poke|" not in line)


def test_a_broken_illusion_is_known_for_what_it_is(bridge: Bridge) -> None:
    battle, _ = seen_by_p1(bridge, team(ZOROARK, MASK, *OTHERS), "team 1342")
    (frame,) = bridge.choose([Move(battle, ("move 1 1, move 3", "move 4 1, move 3"))], EVERYTHING)
    seat = frame["seats"][0]
    assert any(line.startswith("|replace|p2a: Zoroark") for line in seat["log"])
    side = seat["view"]["sides"][1]
    zoroark, rillaboom = side["team"][0], side["team"][1]
    assert (zoroark["species"], zoroark["seen"]) == ("Zoroark-Hisui", True)
    assert zoroark["health"] < 1
    assert (rillaboom["seen"], rillaboom["health"], rillaboom["moves"]) == (False, 1, [])


@pytest.mark.parametrize(
    "hidden",
    [
        MASK.replace("MiracleSeed", "LifeOrb"),
        MASK.replace("Jolly|,252,,,,252", "Adamant|252,252,,,,"),
        MASK.replace("WoodHammer", "DrainPunch"),
        MASK.replace("|M|||50|", "|M|||50|,,,,,Fire"),
    ],
)
def test_closed_sheets_tell_nothing_of_sets(bridge: Bridge, hidden: str) -> None:
    battle, plain = seen_by_p1(bridge, team(MASK, *OTHERS, ZOROARK), "team 1234")
    other, changed = seen_by_p1(bridge, team(hidden, *OTHERS, ZOROARK), "team 1234")
    assert plain == changed
    assert bridge.key(battle) != bridge.key(other)


def test_who_stays_behind_is_not_told(bridge: Bridge) -> None:
    foes = team(MASK, *OTHERS, FOE, OWN.split("]")[-1])
    _, one = seen_by_p1(bridge, foes, "team 1234")
    _, two = seen_by_p1(bridge, foes, "team 1235")
    assert one == two


def test_open_sheets_tell_the_sets_but_not_the_training(bridge: Bridge) -> None:
    trained = MASK.replace("Jolly|,252,,,,252", "Adamant|252,252,,,,")
    _, plain = seen_by_p1(bridge, team(MASK, *OTHERS, FOE), "team 1234", sheets=True)
    _, changed = seen_by_p1(bridge, team(trained, *OTHERS, FOE), "team 1234", sheets=True)
    assert plain == changed
    rillaboom = plain["view"]["sides"][1]["team"][0]
    assert rillaboom["item"] == "miracleseed"
    assert rillaboom["moves"] == ["woodhammer", "protect", "uturn", "highhorsepower"]


def test_the_numbers_mean_what_the_layout_says(bridge: Bridge) -> None:
    _, seat = seen_by_p1(bridge, team(MASK, *OTHERS, FOE), "team 1234", sheets=True)
    layout = bridge.layout(REG_I)
    rows = tokens(seat, layout)
    assert rows.shape == (13, layout["width"])
    column = layout["pokemon"].index
    names = layout["names"]
    assert names["species"][rows[1, column("species")]] == "incineroar"
    assert names["items"][rows[7, column("item")]] == "miracleseed"
    assert names["types"][rows[7, column("type_1")]] == "Grass"
    assert [names["moves"][rows[7, column(f"move_{i}")]] for i in (1, 2)] == [
        "woodhammer",
        "protect",
    ]
    assert rows[1:, column("place")].tolist() == [1, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0]
    assert rows[1, column("health")] == rows[7, column("health")] == 1000
    assert rows[5:7].any() == False  # noqa: E712  (those that stayed behind)
    assert rows[0, layout["field"].index("turn")] == 1


def test_the_view_agrees_with_the_battle(bridge: Bridge) -> None:
    """Health, status and boosts of what both players see are those of the own requests."""
    numbers, frames = bridge.open(starts(bridge, 4), EVERYTHING)
    frames = bridge.choose([Move(n, ("team 1234", "team 1234")) for n in numbers], EVERYTHING)
    compared = 0
    for _ in range(12):
        running = [(n, f) for n, f in zip(numbers, frames, strict=True) if not f["ended"]]
        for _, frame in running:
            compared += compare_sides(frame)
        moves = []
        for number, frame in running:
            one, two = (seat["legal"] and "default" for seat in frame["seats"])
            moves.append(Move(number, (one or None, two or None)))
        frames = bridge.choose(moves, EVERYTHING)
        numbers = [number for number, _ in running]
    assert compared > 50


def compare_sides(frame: Any) -> int:
    compared = 0
    for me, seat in enumerate(frame["seats"]):
        foes = frame["seats"][1 - me]["request"]["side"]["pokemon"]
        side = seat["view"]["sides"][1 - me]
        for place, index in enumerate(side["active"]):
            if index < 0 or "Illusion" in str(foes).title():
                continue
            seen, truth = side["team"][index], foes[place]
            health, _, status = truth["condition"].partition(" ")
            left, _, full = health.partition("/")
            share = int(left) / int(full) if full else 0
            assert abs(seen["health"] - share) <= 0.011
            assert seen["status"] == status.replace("fnt", "")
            compared += 1
    return compared


def test_the_turns_of_a_sides_condition_are_counted_with_the_present_one(bridge: Bridge) -> None:
    windy = (
        "Whimsicott||FocusSash|Prankster|Tailwind,Protect,Moonblast,Encore|Timid"
        "|,,,252,,252|M|||50|"
    )
    start = BattleRecord(REG_I, (1, 2, 3, 4), (team(windy, *OTHERS, MASK), OWN), False)
    (battle,), _ = bridge.open([start])
    bridge.choose([Move(battle, ("team 1234", "team 2314"))])
    tables = bridge.tables(REG_I)
    for turns, own in ((2, "move 1, move 2"), (3, "move 2, move 3")):
        (frame,) = bridge.choose([Move(battle, (own, "move 2, move 2"))], EVERYTHING)
        now = situation(frame["seats"][0], 0, tables)
        assert now.conditions == ({"tailwind": turns}, {})


def test_both_places_of_a_side_hold_who_was_led_in_that_order(bridge: Bridge) -> None:
    _, seat = seen_by_p1(bridge, team(MASK, *OTHERS, ZOROARK), "team 3124")
    now = situation(seat, 0, bridge.tables(REG_I))
    assert [own and own.species for own in now.active_own()] == ["Incineroar", "Milotic"]
    assert [foe and foe.species for foe in now.active_foes()] == ["Flygon", "Rillaboom"]
