"""Loops without a critic: when they ask, what they tell, which plan they take."""

from __future__ import annotations

import json

from planning_worlds import Worth, planned, play_round

from anchorgym.agents.planning import (
    BestOfK,
    NoFeedback,
    ReAct,
    RoCoDialogue,
    Verified,
    reflexion,
)

BAD = "push+pull"


def test_without_feedback_a_plan_is_taken_as_it_comes() -> None:
    session, _, world = planned(NoFeedback(), BAD, "nonsense", "push+push")
    plans = [play_round(session, world) for _ in range(3)]
    assert plans == [("push", "pull"), ("wait", "wait"), ("push", "push")]
    first, second, third = session.room.dialogue.rounds
    assert first.reason == "they work against each other"
    assert [r.answers[0].verdict for r in (first, second, third)] == [
        "infeasible",
        "unreadable",
        "accepted",
    ]
    assert session.room.dialogue.queries == 3


def test_verification_sends_plans_back_with_the_reason_and_counts_every_query() -> None:
    session, script, world = planned(Verified(), BAD, "nonsense", "push+kick")
    assert play_round(session, world) == ("push", "kick")
    assert session.room.dialogue.queries == 3
    told = [[(r.plan, r.reason) for r in query.refused] for query in script.asked]
    against = (("push", "pull"), "they work against each other")
    assert told == [[], [against], [against, ((), "unreadable")]]


def test_a_round_that_is_given_up_does_the_last_plan_that_could_be_read() -> None:
    session, _, world = planned(Verified(attempts=2), BAD, "nonsense")
    assert play_round(session, world) == ("push", "pull")
    session, _, world = planned(Verified(attempts=2), "a", "b")
    assert play_round(session, world) == ("wait", "wait")


def test_memory_reaches_back_as_far_as_it_is_told() -> None:
    for memory, seen in ((0, [0, 0, 0]), (1, [0, 1, 1]), (None, [0, 1, 2])):
        session, script, world = planned(Verified(memory=memory), *["kick+kick"] * 3)
        for _ in range(3):
            play_round(session, world)
        assert [len(query.past) for query in script.asked] == seen


def test_react_asks_once_a_round_and_remembers_a_failure_until_the_state_changes() -> None:
    session, script, world = planned(ReAct(), BAD, "push+kick", "push+kick")
    for _ in range(3):
        play_round(session, world)
    assert [[r.plan for r in query.refused] for query in script.asked] == [
        [],
        [("push", "pull")],
        [],
    ]


def test_reflexion_keeps_lessons_and_pays_for_them() -> None:
    session, script, world = planned(reflexion(), BAD, "pull less", "push+push", "push+push")
    play_round(session, world)
    play_round(session, world)
    assert [query.kind for query in script.asked] == ["joint", "reflect", "joint", "joint"]
    assert script.asked[-1].lessons == ("pull less",)
    assert session.room.dialogue.queries == 4


def test_robots_talk_in_turn_until_one_concludes_after_all_have_spoken() -> None:
    session, script, world = planned(RoCoDialogue(), "push", "push+pull", "let us", "push+push")
    assert play_round(session, world) == ("push", "push")
    assert [(q.agent, len(q.said)) for q in script.asked] == [
        ("left", 0),
        ("right", 1),
        ("left", 0),
        ("right", 1),
    ]
    assert script.asked[1].before == ("push",)
    assert script.asked[2].refused[0].plan == ("push", "pull")


def test_best_of_k_asks_as_often_as_told_and_takes_a_vote() -> None:
    session, script, world = planned(BestOfK(3), "kick+push", "push+push", "push+push")
    assert play_round(session, world) == ("push", "push")
    assert all(not query.refused for query in script.asked)
    scorer = Worth(kick_push=2.0, push_push=1.0)
    session, _, world = planned(BestOfK(3, scorer), "kick+push", "push+push", "push+push")
    assert play_round(session, world) == ("kick", "push")
    session, script, world = planned(BestOfK(1, attempts=3), BAD, BAD, "push+push")
    assert play_round(session, world) == ("push", "push")


def test_a_broken_number_of_queries_is_met_on_average() -> None:
    session, script, _ = planned(BestOfK(1.5), *["kick+kick"] * 1000)
    for _ in range(300):
        session.act()
    assert 400 < len(script.asked) < 500


def test_the_whole_dialogue_is_plain_data() -> None:
    session, _, world = planned(Verified(), BAD, "push+push")
    play_round(session, world)
    (told,) = json.loads(json.dumps(session.room.dialogue.to_json()))
    assert [answer["text"] for answer in told["answers"]] == [BAD, "push+push"]
    assert told["answers"][0]["reason"] == "they work against each other"
    assert (told["plan"], told["queries"]) == (["push", "push"], 2)
