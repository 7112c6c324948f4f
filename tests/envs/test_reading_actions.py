"""Every world reads actions by one rule: blanks around them and letter case do not matter."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anchorgym.envs import MULTI_AGENT, SINGLE_AGENT, make, make_parallel
from anchorgym.envs.spaces import Unicode, as_admissible, folded

WALK = """(define (domain walk) (:requirements :strips :typing) (:types room)
    (:predicates (at ?r - room) (path ?a - room ?b - room))
    (:action walk :parameters (?a - room ?b - room) :precondition (and (at ?a) (path ?a ?b))
        :effect (and (at ?b) (not (at ?a)))))"""
ROOMS = """(define (problem p) (:domain walk) (:objects hall attic cellar - room)
    (:init (at hall) (path hall attic) (path attic hall) (path hall cellar) (path attic cellar))
    (:goal (and (at cellar))))"""
WORDS = '''grammar :: """{"intro": [{"rhs": "You are in the hall."}],
    "walk.feedback": [{"rhs": "You are in the {b.name}."}]}""";
action walk { template :: "walk from {a} to {b}"; feedback :: "#walk.feedback#"; }'''
BLANKS = ("", " ", "  ", "\t", "\n", " \r\n")
CASES: tuple[Callable[[str], str], ...] = (str.upper, str.lower, str.title, str.swapcase, str)


def arguments(env_id: str, folder: Path) -> dict[str, Any]:
    """What a world has to be made with, to be of text and small."""
    if "TextWorld" in env_id:
        pytest.importorskip("textworld", exc_type=ImportError)
        game = folder / "walk.tw-pddl"
        game.write_text(json.dumps({"pddl_domain": WALK, "pddl_problem": ROOMS, "grammar": WORDS}))
        return {"games": game}
    if "VGC" in env_id:
        from vgc_battles import require_simulator

        require_simulator()
        return {"teams": 1, "actions": "text"}
    return {"observation": "text"} if env_id.endswith("Overcooked-v0") else {}


def variants(action: str, admissible: tuple[str, ...], rng: random.Random) -> list[str]:
    """Other ways to write an admissible action."""
    written = [f"{rng.choice(BLANKS)}{case(action)}{rng.choice(BLANKS)}" for case in CASES]
    alone = sum(folded(other) == folded(action) for other in admissible) == 1
    return [text for text in written if folded(text) == folded(action) and alone]


def same(one: Any, other: Any) -> None:
    """Two answers of a world are equal to the last array."""
    np.testing.assert_equal(one, other)


@pytest.mark.parametrize("env_id", SINGLE_AGENT)
def test_an_admissible_action_in_any_case_between_blanks_acts_as_itself(
    env_id: str, tmp_path: Path
) -> None:
    env, rng, tried = make(env_id, **arguments(env_id, tmp_path)), random.Random(0), 0
    _, info = env.reset(seed=0)
    for _ in range(5):
        before = env.snapshot()
        listed = info["admissible_actions"]
        for action in rng.sample(listed, min(4, len(listed))):
            env.restore(before)
            expected = env.step(action)
            for text in variants(action, listed, rng):
                env.restore(before)
                same(env.step(text), expected)
                tried += 1
        _, _, over, cut, info = expected
        if over or cut:
            break
    assert tried >= 5


@pytest.mark.parametrize("env_id", MULTI_AGENT)
def test_admissible_actions_of_several_agents_in_any_case_act_as_themselves(
    env_id: str, tmp_path: Path
) -> None:
    env, rng, tried = make_parallel(env_id, **arguments(env_id, tmp_path)), random.Random(0), 0
    _, infos = env.reset(seed=0)
    assert all(isinstance(space, Unicode) for space in env.action_spaces.values())
    for _ in range(6):
        before = env.snapshot()
        lists = {agent: info["admissible_actions"] for agent, info in infos.items()}
        chosen = {agent: rng.choice(listed) for agent, listed in lists.items() if listed}
        expected = env.step(chosen)
        for agent, action in chosen.items():
            for text in variants(action, lists[agent], rng):
                env.restore(before)
                same(env.step({**chosen, agent: text}), expected)
                tried += 1
        infos = expected[-1]
        if not env.agents:
            break
    assert tried >= 10


TEXTS = st.text(st.sampled_from("aAbB ßſK\t"), min_size=1, max_size=3)


@settings(max_examples=120)
@given(admissible=st.lists(TEXTS, min_size=1, max_size=6).map(tuple), data=st.data())
def test_an_action_that_could_be_two_is_neither(
    admissible: tuple[str, ...], data: st.DataObject
) -> None:
    action = data.draw(st.sampled_from(admissible))
    assert as_admissible(action, admissible) == action
    text = data.draw(st.sampled_from(BLANKS)) + data.draw(st.sampled_from(CASES))(action)
    assume(folded(text) == folded(action) and text not in admissible)
    meant = {one for one in admissible if folded(one) == folded(action)}
    found = as_admissible(text, admissible)
    assert found in meant if len(meant) == 1 else found in {text, *meant}


def test_what_is_not_admissible_stays_as_it_is() -> None:
    assert as_admissible(" Go  West ", ("go west", "go east")) == " Go  West "
    assert as_admissible("GO EAST", ("go east", "Go East")) == "GO EAST"
    assert as_admissible(" Go East", ("go east", "Go East")) == "Go East"
    assert as_admissible("x", ()) == "x"
