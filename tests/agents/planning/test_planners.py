"""Planners: the simulated one errs and heeds as told, a language model is really asked."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import worlds
from chat_models import chat_model
from planning_worlds import Cart, planned
from small_policies import small_policy

from anchorgym.agents import load_policy
from anchorgym.agents.planning import (
    LanguagePlanner,
    PlannerError,
    PlanningPolicy,
    Query,
    Refusal,
    Request,
    Round,
    SimulatedPlanner,
    Verified,
)
from anchorgym.agents.planning.prompts import write_prompt


@pytest.fixture(scope="module")
def cart() -> Cart:
    world = Cart()
    world.reset(seed=0)
    return world


def joint(world: Cart, planner: SimulatedPlanner, n: int, *refused: tuple[str, ...]) -> list[str]:
    query = Query("joint", refused=tuple(Refusal(plan, "no") for plan in refused), samples=n)
    (answers,) = planner.answer([Request(world, query, random.Random(0))])
    return answers


def test_a_planner_that_never_errs_says_what_the_world_suggests(cart: Cart) -> None:
    assert set(joint(cart, SimulatedPlanner(error=0.0), 20)) == {"push+push"}


def test_mistakes_are_as_frequent_as_told(cart: Cart) -> None:
    answers = joint(cart, SimulatedPlanner(error=0.4), 2000)
    wrong = sum(word != "push" for answer in answers for word in answer.split("+")) / 4000
    assert 0.26 < wrong < 0.34  # three of the four slips show: 0.4 * 0.75


def test_refusals_are_mostly_heeded(cart: Cart) -> None:
    free = joint(cart, SimulatedPlanner(0.3, 0.9), 1000).count("push+push")
    told = joint(cart, SimulatedPlanner(0.3, 0.9), 1000, ("push", "push")).count("push+push")
    deaf = joint(cart, SimulatedPlanner(0.3, 0.0), 1000, ("push", "push")).count("push+push")
    assert told < 0.25 * free
    assert abs(deaf - free) < 80
    assert told > 0


def test_an_agent_heeds_what_was_refused_after_the_same_beginning(cart: Cart) -> None:
    query = Query("agent", agent="right", before=("push",), samples=200)
    asked = replace(query, refused=(Refusal(("push", "push"), "no"),))
    elsewhere = replace(query, refused=(Refusal(("kick", "push"), "no"),))
    planner = SimulatedPlanner(0.3, 1.0)
    ((told,), (other,)) = (
        planner.answer([Request(cart, q, random.Random(0))]) for q in (asked, elsewhere)
    )
    assert told.count("push") < 10  # it gives up after twenty tries
    assert other.count("push") > 120


def test_the_same_seed_plays_the_same_episode() -> None:
    def texts(seed: int) -> list[str]:
        world = Cart()
        world.reset(seed=0)
        session = PlanningPolicy(SimulatedPlanner(), Verified()).open(world, seed)
        for _ in range(4):
            session.act()
        return [a.text for past in session.room.dialogue.rounds for a in past.answers]

    assert texts(3) == texts(3)
    assert texts(3) != texts(4)


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> LanguagePlanner:
    policy = load_policy(chat_model(tmp_path_factory.mktemp("chat") / "model"))
    return LanguagePlanner.of(policy.with_prompt(max_response=6))


def test_a_chat_model_answers_every_sample_and_leaves_nothing_behind(
    planner: LanguagePlanner, cart: Cart
) -> None:
    requests = [Request(cart, Query("joint", samples=n), random.Random(0)) for n in (1, 3)]
    answers = planner.answer(requests)
    assert [len(texts) for texts in answers] == [1, 3]
    assert len(set(answers[1])) > 1
    assert not planner.engine.poll()
    assert not planner.engine._transcripts  # type: ignore[attr-defined]


def test_a_model_that_knows_no_format_plays_a_round_all_the_same(planner: LanguagePlanner) -> None:
    session, _, world = planned(Verified(attempts=3))
    session = PlanningPolicy(planner, Verified(attempts=3)).open(world)
    assert tuple(session.act().values()) == world.waiting
    assert session.room.dialogue.queries == 3


def test_a_prompt_forgets_the_oldest_rounds_when_it_is_too_long(
    planner: LanguagePlanner, cart: Cart
) -> None:
    past = (Round("long ago " * 60, plan=("kick", "kick")), Round("just now"))
    query = Query("joint", past=past)
    room = len(planner.template.question(write_prompt(cart, replace(query, past=past[1:]))))
    narrow = LanguagePlanner(planner.engine, planner.template, planner.sampling)
    narrow.max_context = room + planner.sampling.max_tokens
    read = narrow._prompt(cart, query)
    assert read is not None
    text = planner.template.tokenizer.decode(read)
    assert "just now" in text
    assert "long ago" not in text
    narrow.max_context = 20
    assert narrow.answer([Request(cart, query, random.Random(0))]) == [[""]]


def test_a_prompt_says_all_that_there_is_to_know(cart: Cart) -> None:
    query = Query(
        "agent",
        "read",
        agent="right",
        before=("push",),
        refused=(Refusal(("push", "kick"), "Its advantage is -0.10."), Refusal((), "unreadable")),
        past=(Round("The cart was away.", plan=("push", "wait"), reason="stuck"),),
        lessons=("kick less",),
    )
    text = write_prompt(cart, query)
    for part in ("right: push the cart", "push+kick\nRefused: Its advantage is -0.10.", "stuck"):
        assert part in text
    for part in ("The cart was away.", "The cart is at place 0.", "kick less", "it is settled"):
        assert part in text
    assert text.endswith("in exactly this format:\n<action>")
    assert "left" not in text
    talk = replace(query, kind="talk", said=(("left", "I push."),), style="roco", before=())
    assert "left: I push." in write_prompt(cart, talk)


def test_policies_without_sentences_are_no_planners() -> None:
    with pytest.raises(PlannerError, match="chat model"):
        LanguagePlanner.of(small_policy(f"{worlds.__name__}:test/CandidKeyDoor-v0", tasks=10))
