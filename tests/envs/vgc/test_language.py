"""A language model that picks from numbered menus."""

from __future__ import annotations

from collections.abc import Sequence

from vgc_battles import REG_I, starts

from anchorgym.envs.vgc.actions import legal_pairs
from anchorgym.envs.vgc.arena import Fixture, Programs, play
from anchorgym.envs.vgc.bridge import EVERYTHING, Bridge, Move
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.envs.vgc.players.base import RandomPlayer
from anchorgym.envs.vgc.players.language import LanguagePlayer, menus, read_answer
from anchorgym.envs.vgc.situation import situation


def test_a_model_that_answers_by_number_plays_what_it_means(bridge: Bridge) -> None:
    known, prompts = knowledge(REG_I), list[str]()

    def model(asked: Sequence[str]) -> list[str]:
        prompts.extend(asked)
        return [
            "I lead with my best.\n2 3 1 4" if "to bring" in prompt else "I think 9.\n1 2"
            for prompt in asked
        ]

    player = LanguagePlayer(model, known)
    by_chance = Programs(RandomPlayer, known.tables)
    (one,) = play(bridge, [Fixture(starts(bridge, 1)[0], (player, by_chance))])
    assert not one.refused
    assert one.record.steps[0].choices[0] == "team 2314"
    assert "Menu 1, for" in prompts[1]
    assert "  1. " in prompts[1]
    assert "Write what both do" not in prompts[1]  # menus alone say how to answer


def test_what_cannot_be_read_is_asked_again_once(bridge: Bridge) -> None:
    known, prompts = knowledge(REG_I), list[str]()

    def model(asked: Sequence[str]) -> list[str]:
        prompts.extend(asked)
        return ["no idea"] * len(asked)

    player = LanguagePlayer(model, known)
    by_chance = Programs(RandomPlayer, known.tables)
    (one,) = play(bridge, [Fixture(starts(bridge, 1)[0], (player, by_chance))])
    assert not one.refused
    assert player.failed == len(prompts) / 2
    assert "That was no answer" in prompts[1]


def test_every_pair_of_the_menus_is_a_choice_or_none(bridge: Bridge) -> None:
    known = knowledge(REG_I)
    (number,), _ = bridge.open(starts(bridge, 1), EVERYTHING)
    (frame,) = bridge.choose([Move(number, ("team 1234", "team 1234"))], EVERYTHING)
    now = situation(frame["seats"][0], 0, known.tables)
    first, second = (len(legal) for legal in now.legal)
    read = [read_answer(f"{a} {b}", now) for a in range(1, first + 1) for b in range(1, second + 1)]
    assert [pair for pair in read if pair] == list(legal_pairs(now.legal))
    assert read_answer("0 1", now) is None
    assert read_answer(f"1 {second + 1}", now) is None
    assert read_answer("1", now) is None
    assert menus(now).count("\n") == first + second + 2
