"""Roles: who is trained on what, and by which baseline."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import parallel_worlds  # noqa: F401  (registers the test worlds)
import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from small_policies import small_policy

from anchorgym.agents import ExpertPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs import make_parallel
from anchorgym.gigpo import TurnBatch, make_algorithm
from anchorgym.training import Start
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.contract import LearnerError
from anchorgym.training.rollout.drivers import SamplingRule
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Match, StopReason
from anchorgym.training.selfplay.roles import Role, RoleError, Roles, agents_of, roles_of
from anchorgym.training.selfplay.schedules import ScheduleConfig, roles_in_turn

RATE = LearnerConfig(learning_rate=1.0)


def cards(n: int, seats: dict[str, TabularPolicy], seed: int = 0) -> list[Match]:
    envs = EnvPool(lambda: make_parallel("test/Cards-v0"))
    starts = [Start("three cards", 0, i) for i in range(n)]
    return play_matches([seats] * n, envs, starts, sampling=SamplingRule(seed=seed))


def table() -> TabularPolicy:
    return TabularPolicy()


def role(name: str, *agents: str, policy: TabularPolicy | None = None, **options: object) -> Role:
    algorithm = make_algorithm("public_baseline", entropy_coef=0.0, kl_coef=0.0)
    return Role(name, agents, policy or table(), algorithm, **options)  # type: ignore[arg-type]


def test_players_learn_to_bet_on_high_cards_alone() -> None:
    policy = table()
    roles = Roles([role("player", "player_0", "player_1", policy=policy)], {"player": RATE})
    for iteration in range(40):
        roles.learn(cards(64, roles.seats, iteration), iteration)
    chance = {card: policy.probabilities(f"\nYour card is {card}.\nbet\npass") for card in (0, 2)}
    assert chance[2]["bet"] > 0.85
    assert chance[0]["bet"] < 0.15


def test_only_what_a_policy_has_played_is_learnt_from() -> None:
    one, other = table(), table()
    matches = cards(8, {"player_0": one, "player_1": other})
    for match in matches:
        match.guests = frozenset({"player_1"})
    roles = Roles(
        [role("a", "player_0", policy=one), role("b", "player_1", policy=other)],
        {"a": RATE, "b": RATE},
    )
    before = other.model.logits.detach().clone()
    figures = roles.learn(matches, 0)
    assert figures["b"] == {}
    assert (other.model.logits == before).all()
    assert figures["a"]["rows"] > 0


def test_roles_that_are_not_in_turn_stay_as_they_are() -> None:
    roles = Roles([role("a", "player_0"), role("b", "player_1")], {"a": RATE, "b": RATE})
    matches = cards(16, roles.seats)
    before = roles.roles["a"].policy.model.logits.detach().clone()
    roles.learn(matches, 0, trained=["b"])
    assert (roles.roles["a"].policy.model.logits == before).all()
    assert roles.roles["b"].policy.model.logits.abs().sum() > 0


def test_a_shared_policy_is_updated_once_from_both_roles() -> None:
    policy = table()
    roles = Roles(
        [role("a", "player_0", policy=policy), role("b", "player_1", policy=policy)], {"a": RATE}
    )
    figures = roles.learn(cards(16, roles.seats), 0)
    assert len(roles.learners) == 1
    assert figures["a"]["rows"] > 16
    assert "rows" not in figures["b"]
    with pytest.raises(RoleError, match="share a policy"):
        Roles(
            [
                role("a", "player_0", policy=policy),
                Role("b", ("player_1",), policy, make_algorithm("grpo")),
            ],
            {"a": RATE},
        )


def test_groups_that_an_algorithm_drops_are_not_learnt_from() -> None:
    policy = table()
    algorithm = make_algorithm("dapo", kl_coef=0.0)
    one = Role("player", ("player_0", "player_1"), policy, algorithm)
    roles = Roles([one], {"player": RATE})
    matches = cards(16, roles.seats)
    for match in matches:
        match.sides["player_0"].turns[-1].reward = match.sides["player_1"].turns[-1].reward = 1.0
    assert "rows" not in roles.learn(matches, 0)["player"]
    matches[0].sides["player_0"].turns[-1].reward = 0.0
    assert roles.learn(matches, 0)["player"]["rows"] > 0


def test_what_a_table_cannot_do_is_refused() -> None:
    near = make_algorithm("public_baseline", kl_coef=0.1)
    with pytest.raises(LearnerError, match="kl_coef"):
        Roles([Role("a", ("player_0",), table(), near)], {"a": RATE})
    with pytest.raises(LearnerError, match="a temperature for each token"):
        Roles([Role("a", ("player_0",), table(), make_algorithm("hapo", kl_coef=0.0))], {"a": RATE})


def haggling(n: int = 12) -> tuple[list[Match], dict[str, TabularPolicy]]:
    """Matches of several turns, in groups of four."""
    seats = {"buyer_0": table(), "seller_0": table()}
    envs = EnvPool(lambda: make_parallel("test/Haggle-v0"))
    starts = [Start("worth 9 cost 3", i // 4, i) for i in range(n)]
    return play_matches([seats] * n, envs, starts), seats


def buyer(policy: TabularPolicy, name: str = "gigpo", **settings: Any) -> Role:
    algorithm = make_algorithm(name, kl_coef=0.0, entropy_coef=0.0)
    return Role("buyer", ("buyer_0",), policy, algorithm, **settings)


def test_kinds_of_actions_are_compared_in_self_play_too() -> None:
    matches, seats = haggling(40)
    role = buyer(seats["buyer_0"])
    sides = role.sides(matches)
    batch = role.batch(sides)
    actions = [turn.action for _, side in sides for turn in side.turns]
    assert batch.kind is not None
    kinds = {action.split()[0]: int(code) for action, code in zip(actions, batch.kind, strict=True)}
    assert kinds.keys() == {"offer", "accept"}
    of_kinds = make_algorithm("action_groups", member_weight=0.0).advantages(batch)
    of_actions = make_algorithm("gigpo").advantages(batch)
    assert abs(of_kinds - of_actions).max() > 0.1
    step = of_kinds - make_algorithm("grpo").advantages(batch)
    found: dict[tuple[int, int], set[float]] = {}
    for anchor, kind, value in zip(batch.anchor, batch.kind, step, strict=True):
        found.setdefault((int(anchor), int(kind)), set()).add(round(float(value), 9))
    assert {len(values) for values in found.values()} == {1}  # one value a kind and state


def test_a_role_earns_what_new_states_are_worth() -> None:
    matches, seats = haggling()
    plain, curious = buyer(table()), buyer(table(), exploration="global", exploration_coef=5.0)
    sides = curious.sides(matches)
    without, first, again = plain.explored(sides), curious.explored(sides), curious.explored(sides)
    assert without.bonus is None
    assert not plain.visits
    assert first.bonus is not None
    assert again.bonus is not None
    assert first.bonus.max() > 1
    assert again.bonus.max() < first.bonus.max()  # those states are less new by now
    n_turns = sum(len(side.turns) for _, side in sides)
    assert sum(curious.visits.values()) == 2 * n_turns
    assert seats["buyer_0"].model.situations


def test_what_a_role_explores_changes_what_it_learns() -> None:
    learnt = []
    for exploration in ("none", "global"):
        matches, seats = haggling()
        role = buyer(seats["buyer_0"], exploration=exploration, exploration_coef=5.0)
        roles = Roles([role, Role("seller", ("seller_0",), seats["seller_0"])], {"buyer": RATE})
        roles.learn(matches, 0)
        learnt.append(seats["buyer_0"].model.logits.detach().clone())
        assert bool(role.visits) == (exploration == "global")
    assert not torch.equal(*learnt)


def test_groups_that_are_not_learnt_from_were_visited_all_the_same() -> None:
    matches, seats = haggling()
    for match in matches:
        match.sides["buyer_0"].turns[-1].reward = 1.0  # dapo drops groups that agree
        for turn in match.sides["buyer_0"].turns[:-1]:
            turn.reward = 0.0
    role = buyer(seats["buyer_0"], "dapo", exploration="episodic")
    roles = Roles([role, Role("seller", ("seller_0",), seats["seller_0"])], {"buyer": RATE})
    assert "rows" not in roles.learn(matches, 0)["buyer"]
    turns = sum(len(match.sides["buyer_0"].turns) for match in matches)
    assert sum(role.visits.values()) == turns


def test_language_policies_may_want_a_temperature_for_each_token() -> None:
    policy = small_policy("test/CandidKeyDoor-v0", tasks=10, max_response=4)
    role = Role("a", ("player_0",), policy, make_algorithm("hapo", kl_coef=0.0))
    assert Roles([role], {"a": RATE}).learners.keys() == {"a"}


def test_scripts_cannot_be_trained() -> None:
    with pytest.raises(LearnerError, match="ExpertPolicy has nothing to train"):
        Roles([Role("a", ("player_0",), ExpertPolicy(), make_algorithm("grpo"))], {"a": RATE})


def test_agents_are_grouped_by_what_comes_before_their_number() -> None:
    found = roles_of(["attacker_0", "defender_0", "defender_1", "judge"])
    assert found == {
        "attacker": ("attacker_0",),
        "defender": ("defender_0", "defender_1"),
        "judge": ("judge",),
    }
    assert agents_of(["defender_*"], ["attacker_0", "defender_0"]) == ("defender_0",)
    with pytest.raises(RoleError, match="Did you mean"):
        agents_of(["defendr_0"], ["attacker_0", "defender_0"])


def batch_of(scores: list[list[float]], agents: int = 1) -> TurnBatch:
    """Return a batch with a turn for each score; a list holds the trajectories of a group."""
    rows = [(g, s) for g, group in enumerate(scores) for s in group]
    return TurnBatch.from_rows(
        group=[g for g, _ in rows],
        trajectory=list(range(len(rows))),
        anchor=["x"] * len(rows),
        reward=[s for _, s in rows],
    )


def test_the_public_baseline_is_over_agents_and_rollouts() -> None:
    plain = make_algorithm("public_baseline", whiten=False)
    # Two rollouts of a team of two that shares its reward: within one rollout all are equal.
    assert plain.advantages(batch_of([[1.0, 1.0, 0.0, 0.0]])).tolist() == [0.5, 0.5, -0.5, -0.5]
    # A lone attacker in two rollouts.
    assert plain.advantages(batch_of([[1.0, -1.0]])).tolist() == [1.0, -1.0]
    # One rollout of a lone attacker tells nothing.
    assert plain.advantages(batch_of([[1.0]])).tolist() == [0.0]


def test_leaving_oneself_out_of_the_baseline() -> None:
    algorithm = make_algorithm("public_baseline", whiten=False, leave_one_out=True)
    found = algorithm.advantages(batch_of([[3.0, 0.0, 0.0], [1.0, 0.0]]))
    assert found == pytest.approx([3.0, -1.5, -1.5, 1.0, -1.0])


def test_advantages_are_whitened_over_the_batch() -> None:
    rng = np.random.default_rng(0)
    batch = batch_of(rng.normal(size=(5, 8)).tolist())
    found = make_algorithm("public_baseline").advantages(batch)
    assert abs(found.mean()) < 1e-12
    assert found.std(ddof=1) == pytest.approx(1.0, abs=1e-5)
    assert not make_algorithm("public_baseline").advantages(batch_of([[2.0, 2.0]])).any()


def test_alternating_roles_take_turns() -> None:
    schedule = ScheduleConfig(kind="alternating", every=2)
    turns = [roles_in_turn(schedule, ("a", "b"), [{}] * n) for n in range(5)]
    assert turns == [("a",), ("a",), ("b",), ("b",), ("a",)]
    assert roles_in_turn(ScheduleConfig(), ("a", "b"), []) == ("a", "b")


def test_gated_roles_hand_over_when_they_are_good_enough() -> None:
    schedule = ScheduleConfig(kind="gated", gate=0.8, window=2, every=5)
    history: list[dict[str, dict[str, float]]] = []
    trained = []
    won = iter([0.1, 0.9, 0.9, 0.2, 0.2, 0.2, 0.2, 0.2, 0.1])
    for _ in range(9):
        (name,) = roles_in_turn(schedule, ("a", "b"), history)
        trained.append(name)
        history.append({"a": {"won": 0.0}, "b": {"won": 0.0}, name: {"won": next(won)}})
    assert "".join(trained) == "aaabbbbba"


def test_a_gate_that_is_just_reached_opens_when_its_window_is_full() -> None:
    schedule = ScheduleConfig(kind="gated", gate=1.0, window=3, every=9)
    history: list[dict[str, dict[str, float]]] = []
    trained = []
    for _ in range(7):
        (name,) = roles_in_turn(schedule, ("a", "b"), history)
        trained.append(name)
        history.append({"a": {"won": 1.0}, "b": {"won": 1.0}})
    assert "".join(trained) == "aaabbba"


@pytest.mark.parametrize(
    ("stop", "cut"),
    [("terminated", False), ("turns", True), ("context", True), ("stuck", True)],
)
def test_whoever_was_cut_by_a_limit_is_taken_to_be_worth_something(stop: str, cut: bool) -> None:
    """The limit of the context is one as that of the turns is."""
    matches = cards(2, {"player_0": table(), "player_1": table()})
    for match in matches:
        match.sides["player_0"].stop = StopReason(stop)
    algorithm = make_algorithm("grpo", truncation_value=5.0)
    player = Role("player", ("player_0",), table(), algorithm)
    sides = player.sides(matches)
    found = algorithm.rewards(player.batch(sides))
    paid = [turn.reward for _, side in sides for turn in side.turns]
    last = np.cumsum([len(side.turns) for _, side in sides]) - 1
    expected = np.array(paid) + np.isin(np.arange(len(paid)), last) * (5.0 if cut else 0.0)
    assert found.tolist() == expected.tolist()


def test_a_table_goes_on_after_it_was_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    policy = table()
    roles = Roles([role("player", "player_0", "player_1", policy=policy)], {"player": RATE})
    roles.learn(cards(16, roles.seats), 0)
    policy.save(tmp_path)
    twin = table()
    twin.load(tmp_path)
    random.seed(0)
    for situation in policy.model.situations:
        assert twin.probabilities(situation) == policy.probabilities(situation)
