"""ReAd's loops: refusals by advantage, their limit, relaxation, and what saves queries."""

from __future__ import annotations

from planning_worlds import Worth, planned, play_round

from anchorgym.agents.planning import CoinScorer, ReAdJ, ReAdS, Threshold

SCORER = Worth(push_push=1.0, push_kick=0.4, kick_kick=-0.3, kick_push=-0.15, push=0.5, kick=-0.2)


def test_each_refusal_doubles_the_slack() -> None:
    threshold = Threshold(0.0, 0.1, 2.0)
    assert [round(threshold.after(n), 9) for n in range(4)] == [0.0, -0.1, -0.2, -0.4]


def test_a_plan_is_refused_with_its_score_until_one_exceeds_the_threshold() -> None:
    session, script, world = planned(ReAdJ(SCORER), "wait+wait", "kick+push", "push+kick")
    assert play_round(session, world) == ("push", "kick")
    last = script.asked[-1].refused
    assert [refusal.plan for refusal in last] == [("wait", "wait"), ("kick", "push")]
    assert "-0.15" in last[1].reason
    assert "-0.20" in last[1].reason  # what the next one must exceed
    answers = session.room.now.answers
    assert [answer.verdict for answer in answers] == ["refused", "refused", "accepted"]


def test_relaxation_lets_a_mediocre_plan_pass_and_begins_anew_each_round() -> None:
    session, script, world = planned(
        ReAdJ(SCORER), "kick+push", "wait+wait", "kick+push", "kick+push", "push+push"
    )
    assert play_round(session, world) == ("kick", "push")  # -0.15 exceeds -0.2 the third time
    assert play_round(session, world) == ("push", "push")
    assert [len(query.refused) for query in script.asked] == [0, 1, 2, 0, 1]


def test_refusals_are_limited_and_only_feasible_plans_are_scored() -> None:
    session, script, world = planned(
        ReAdJ(SCORER, max_refine=2), "wait+wait", "push+pull", "nonsense", *["wait+wait"] * 2
    )
    assert play_round(session, world) == ("wait", "wait")
    assert len(script.asked) == 5
    assert session.room.dialogue.scored == 3
    assert session.room.dialogue.refusal_rate() == (2, 3)


def test_when_the_refusals_are_used_up_the_best_plan_of_the_round_is_taken() -> None:
    poor = Worth(push_push=-1.0, push_kick=-0.5, kick_push=-2.0, push=-0.5, kick=-2.0)
    session, _, world = planned(ReAdJ(poor, max_refine=2), "push+push", "push+kick", "kick+push")
    assert play_round(session, world) == ("push", "kick")
    verdicts = [answer.verdict for answer in session.room.now.answers]
    assert verdicts == ["refused", "accepted", "passed over"]
    session, _, world = planned(ReAdS(poor, max_refine=1), "push", "kick", "push", "push")
    assert play_round(session, world) == ("push", "push")


def test_agents_are_asked_in_turn_given_what_is_settled() -> None:
    session, script, world = planned(ReAdS(SCORER), "kick", "push", "pull", "wait", "kick")
    assert play_round(session, world) == ("push", "kick")
    assert [(query.agent, query.before) for query in script.asked] == [
        ("left", ()),
        ("left", ()),
        ("right", ("push",)),
        ("right", ("push",)),
        ("right", ("push",)),
    ]
    verdicts = [answer.verdict for answer in session.room.now.answers]
    assert verdicts == ["refused", "accepted", "infeasible", "refused", "accepted"]


def test_a_plan_that_an_agent_cannot_complete_is_begun_anew() -> None:
    session, script, world = planned(
        ReAdS(SCORER, attempts=2), "push", "pull", "nonsense", "push", "push"
    )
    assert play_round(session, world) == ("push", "push")
    assert script.asked[3].agent == "left"
    assert ("push",) in [refusal.plan for refusal in script.asked[3].refused]


def test_the_best_of_several_samples_is_judged_for_one_query() -> None:
    session, script, world = planned(
        ReAdJ(SCORER, samples=3), "push+kick", "push+push", "push+pull"
    )
    assert play_round(session, world) == ("push", "push")
    assert session.room.dialogue.queries == len(script.asked) == 1
    verdicts = [answer.verdict for answer in session.room.now.answers]
    assert verdicts == ["passed over", "accepted", "infeasible"]


def test_refusals_that_still_hold_are_shared_with_the_next_round() -> None:
    session, script, world = planned(
        ReAdJ(SCORER, shares=True), "wait+wait", "push+kick", "push+push"
    )
    play_round(session, world)
    play_round(session, world)
    assert [refusal.plan for refusal in script.asked[-1].refused] == [("wait", "wait")]


def test_a_good_plan_of_an_earlier_round_needs_no_query() -> None:
    session, script, world = planned(ReAdJ(SCORER, recalls=0.3), "push+kick")
    assert play_round(session, world) == ("push", "kick")
    assert play_round(session, world) == ("push", "kick")
    assert len(script.asked) == 1
    assert session.room.dialogue.rounds[1].queries == 0


def test_a_critic_in_doubt_refuses_less() -> None:
    unsure = Worth(spread=0.5, kick_kick=-0.3)
    session, script, world = planned(ReAdJ(unsure, doubt=1.0), "kick+kick")
    assert play_round(session, world) == ("kick", "kick")
    assert len(script.asked) == 1


def test_a_coin_refuses_as_often_as_it_is_told() -> None:
    session, _, _ = planned(ReAdJ(CoinScorer(0.4), max_refine=50), *["kick+kick"] * 2000)
    for _ in range(400):
        session.act()
    refused, judged = session.room.dialogue.refusal_rate()
    assert 0.35 < refused / judged < 0.45


def test_a_plan_that_changed_nothing_is_not_recalled_for_ever() -> None:
    vain = Worth(kick_kick=0.9, push_push=1.0)
    session, script, world = planned(ReAdJ(vain, recalls=0.3), "kick+kick", "push+push")
    assert play_round(session, world) == ("kick", "kick")
    assert play_round(session, world) == ("push", "push")
    assert len(script.asked) == 2
