"""Matches of several agents, seat by seat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from parallel_worlds import StrangersGame

from anchorgym.agents import RandomPolicy, ScriptedPolicy, ScriptPolicy, View
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs import make_parallel
from anchorgym.envs.errors import ContractError
from anchorgym.training import Start
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.seats import as_action, as_text, as_view


class Says(ScriptedPolicy):
    """Says the same lines one after the other."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def choose(self, env: Any, observation: str, view: View) -> str:
        """Say the next line."""
        return self.lines.pop(0)


def haggle() -> EnvPool[Any]:
    return EnvPool(lambda: make_parallel("test/Haggle-v0"))


def test_each_side_sees_its_own_and_is_asked_when_it_is_active() -> None:
    seats = {"buyer_0": Says("offer 2", "accept"), "seller_0": Says("offer 6")}
    (match,) = play_matches([seats], haggle(), [Start("worth 9 cost 3", 4, 1)])
    buyer, seller = match.sides["buyer_0"], match.sides["seller_0"]
    assert [turn.action for turn in buyer.turns] == ["offer 2", "accept"]
    assert [turn.action for turn in seller.turns] == ["offer 6"]
    assert buyer.turns[1].observation == "The price on the table is 6. Your limit is 9."
    assert seller.turns[0].observation == "The price on the table is 2. Your limit is 3."
    assert (buyer.goal, seller.goal) == ("Buy cheaply.", "Sell dearly.")
    assert (buyer.stop, seller.stop) == ("terminated", "terminated")
    assert buyer.start.group == 4
    for agent, side in match.sides.items():  # the infos are those of the end
        assert match.infos[agent]["anchor"] != side.turns[0].anchor


def test_what_an_agent_is_paid_while_it_waits_is_booked_on_its_last_turn() -> None:
    seats = {"buyer_0": Says("offer 2", "accept"), "seller_0": Says("offer 6")}
    (match,) = play_matches([seats], haggle(), [Start("worth 9 cost 3", 0, 1)])
    assert match.sides["buyer_0"].turns[-1].reward == 3.0
    assert match.sides["seller_0"].turns[-1].reward == 3.0
    assert match.sides["seller_0"].score == 3.0


def test_an_invalid_action_is_noted_with_its_reason() -> None:
    seats = {"buyer_0": Says("shout", "offer 5"), "seller_0": Says("offer 9", "accept")}
    (match,) = play_matches([seats], haggle(), [Start("worth 9 cost 3", 0, 1)])
    first = match.sides["buyer_0"].turns[0]
    assert not first.valid
    assert first.reason == "offer <price> or accept"


def test_matches_of_one_batch_do_not_disturb_each_other() -> None:
    starts = [Start(task, i, 7 + i) for i, task in enumerate(("three cards", "five cards") * 3)]
    envs = EnvPool(lambda: make_parallel("test/Cards-v0"))

    def played(part: list[Start]) -> list[list[tuple[str, str, float]]]:
        seats = [{a: Says("draw", "bet") for a in ("player_0", "player_1")} for _ in part]
        return [
            [(t.observation, t.action, t.reward) for side in m.sides.values() for t in side.turns]
            for m in play_matches(seats, envs, part)
        ]

    alone = [played([start])[0] for start in starts]
    assert played(starts) == alone


def test_agents_that_leave_are_asked_no_more() -> None:
    envs = EnvPool(lambda: make_parallel("test/Chairs-v0"))
    agents = envs.first.possible_agents
    seats = [dict.fromkeys(agents, RandomPolicy(seed)) for seed in range(20)]
    matches = play_matches(seats, envs, [Start("three", i, i) for i in range(20)])
    lengths = [[len(side.turns) for side in match.sides.values()] for match in matches]
    assert any(len(set(of_match)) > 1 for of_match in lengths)
    assert all(side.stop for match in matches for side in match.sides.values())


def test_the_world_of_a_stranger_is_played_without_anchors_or_tasks() -> None:
    envs = EnvPool(StrangersGame)
    seats = [dict.fromkeys(("player_0", "player_1"), RandomPolicy(0))] * 2
    first, again = play_matches(seats, envs, [Start("", 0, 3)] * 2)
    seen = [[turn.observation for turn in m.sides["player_0"].turns] for m in (first, again)]
    assert seen[0] == seen[1]  # the seed alone starts it
    assert {turn.action for turn in first.sides["player_0"].turns} <= {"0", "1", "2"}
    assert all(turn.valid for turn in first.sides["player_0"].turns)
    other = [turn for turn in first.sides["player_1"].turns if turn.observation == "0 0"]
    assert other[0].anchor == first.sides["player_0"].turns[0].anchor


def test_what_cannot_be_read_is_no_action_of_a_strangers_world() -> None:
    seats = {agent: Says(*["nonsense"] * 5) for agent in ("player_0", "player_1")}
    (match,) = play_matches([seats], EnvPool(StrangersGame), [Start("", 0, 3)])
    assert [turn.valid for turn in match.sides["player_0"].turns] == [False] * 5


def test_an_agent_reads_why_its_last_action_failed_however_long_ago_that_was() -> None:
    views: list[View] = []

    class Watches(Says):
        def choose(self, env: Any, observation: str, view: View) -> str:
            views.append(view)
            return super().choose(env, observation, view)

    seats = {
        "buyer_0": Watches("shout", "offer 5", "accept"),
        "seller_0": Says("offer 9", "offer 6"),
    }
    play_matches([seats], haggle(), [Start("worth 9 cost 3", 0, 1)])
    assert [(view.action_valid, view.reason) for view in views] == [
        (True, ""),
        (False, "offer <price> or accept"),
        (True, ""),
    ]


def test_scripts_of_a_list_are_drawn_anew_for_each_match_and_alike_for_a_seed() -> None:
    envs: EnvPool[Any] = EnvPool(lambda: make_parallel("anchorgym/RedTeam-v0"))
    task = next(task for task in envs.first.tasks() if "/attack/override/user/" in task)

    def written(seed: int) -> list[str]:
        attacker = ScriptPolicy("blatant", "authority", "peer_spoof", seed=seed)
        team = dict.fromkeys(envs.first.defenders, ScriptPolicy("naive"))
        starts = [Start(task, 0, i) for i in range(12)]
        matches = play_matches([{"attacker_0": attacker, **team}] * 12, envs, starts)
        return [match.sides["attacker_0"].turns[0].action for match in matches]

    assert len(set(written(0))) == 3
    assert written(0) == written(0) != written(1)


def test_a_seat_that_nobody_takes_is_named() -> None:
    with pytest.raises(ContractError, match="seller_0"):
        play_matches([{"buyer_0": Says()}], haggle(), [Start("worth 9 cost 3", 0, 1)])


def test_engines_are_asked_in_one_batch() -> None:
    policy = TabularPolicy()
    batches = []
    poll = policy.engine.poll

    def counted(timeout: float | None = None) -> Any:
        ready = poll(timeout)
        batches.append(len(ready))
        return ready

    policy.engine.poll = counted  # type: ignore[method-assign]
    envs = EnvPool(lambda: make_parallel("test/Cards-v0"))
    seats = [dict.fromkeys(("player_0", "player_1"), policy)] * 3
    play_matches(seats, envs, [Start("three cards", 0, i) for i in range(3)])
    assert [n for n in batches if n] == [6, 6]


def test_arrays_become_words_and_words_actions() -> None:
    space = Discrete(4, start=1)
    seen = {"observation": np.array([[0, 1], [2, 3]]), "action_mask": np.array([0, 1, 0, 1])}
    view = as_view(seen, {}, space)
    assert as_text(seen) == "0 1 2 3"
    assert view.admissible_actions == ("2", "4")
    assert as_action("4", view, space) == 4
    assert as_action("1", view, space) is None
    assert as_text(np.array([0.5, 1 / 3])) == "0.5 0.333"
    assert as_action("anything", view, Box(0, 1)) == "anything"
