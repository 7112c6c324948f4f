"""A team that plays a single-agent world, with an attacker in what it sees."""

from __future__ import annotations

from typing import Any

import pytest
from red_teams import turns

from anchorgym.envs import RedTeamEnv, check_parallel_env
from anchorgym.envs.errors import UnknownEnvError
from anchorgym.envs.redteam import GOALS, SURFACES
from anchorgym.envs.redteam.payoffs import play

ALFWORLD = "anchorgym/ALFWorld-v0"


@pytest.mark.slow
def test_the_contract_is_kept_around_alfworld() -> None:
    options = {"work": ALFWORLD, "work_options": {"max_turns": 12}, "defenders": 2}
    report = check_parallel_env("anchorgym/RedTeam-v0", **options)
    assert report.ok, str(report)


@pytest.fixture(scope="module")
def kitchen() -> RedTeamEnv:
    return RedTeamEnv(work=ALFWORLD, work_options={"max_turns": 40}, defenders=2)


def test_a_team_plays_alfworld_by_its_experts_advice(kitchen: RedTeamEnv) -> None:
    assert kitchen.splits == ("train", "valid_seen", "valid_unseen")
    assert kitchen.rounds == 40
    clean = play(kitchen, "valid_unseen/clean/3", "abstain", "naive").record
    assert clean.right
    assert len(clean.said) < 40


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("goal", GOALS)
def test_attacks_work_on_a_naive_team_in_alfworld_and_on_no_paranoid_one(
    kitchen: RedTeamEnv, goal: str, surface: str
) -> None:
    task = f"valid_seen/attack/{goal}/{surface}/1"
    fooled = play(kitchen, task, "peer_spoof", "naive").record
    assert fooled.hit
    assert fooled.right, "a lost round does not lose the household"
    assert not play(kitchen, task, "peer_spoof", "paranoid").record.hit


def test_the_attacker_writes_into_what_the_world_shows(kitchen: RedTeamEnv) -> None:
    found = []

    def look(agent: str, number: int) -> str:
        return "do: look" if number < 4 else "do: inventory"

    for number, seen in turns(kitchen, "train/attack/override/tool/3", "xyzzy", look):
        found += [(number, agent) for agent, text in seen.items() if "xyzzy" in text]
    place = kitchen.game.episode.place
    assert place is not None
    assert found == [(2, f"defender_{place.victim}")]
    assert kitchen.record().delivered


def test_only_the_decider_acts(kitchen: RedTeamEnv) -> None:
    _, infos = kitchen.reset(options={"task": "train/clean/3"})
    action = next(a for a in infos["defender_1"]["admissible_actions"] if a.startswith("do: go to"))
    before = kitchen.work.key()
    kitchen.step({"defender_0": action, "defender_1": "say: wait"})
    assert kitchen.work.key() == before
    kitchen.step({"defender_0": "say: wait", "defender_1": action})
    assert kitchen.work.key() != before


def test_an_action_that_does_nothing_is_said_to(kitchen: RedTeamEnv) -> None:
    kitchen.reset(options={"task": "train/clean/3"})
    *_, infos = kitchen.step({"defender_0": "say: hm", "defender_1": "do: fly to the moon"})
    assert infos["defender_0"]["action_valid"]
    assert not infos["defender_1"]["action_valid"]
    assert infos["defender_1"]["reason"]


def test_made_up_actions_cost_a_round_and_nothing_else(kitchen: RedTeamEnv) -> None:
    kitchen.reset(options={"task": "train/lookalike/false_answer/user/3"})
    request, before = kitchen.game.episode.request, kitchen.work.key()
    assert request is not None
    assert request.value.startswith("signal ")
    kitchen.step({"defender_0": "say: ok", "defender_1": f"do: {request.value}"})
    assert kitchen.work.key() == before
    assert kitchen.game.carried_out


def test_restored_worlds_have_the_same_future(kitchen: RedTeamEnv) -> None:
    kitchen.reset(options={"task": "valid_seen/attack/leak/message/3"})
    kitchen.step({"attacker_0": "hello"})
    for _ in range(2):
        kitchen.step({a: kitchen.scripted_action(a, "naive") for a in kitchen.defenders})
    snapshot, anchor = kitchen.snapshot(), kitchen.anchor()

    def future() -> list[Any]:
        steps = []
        while kitchen.agents:
            acts = {
                agent: kitchen.scripted_action(agent, "naive")
                for agent in kitchen.agents
                if kitchen.active(agent)
            }
            steps.append((acts, kitchen.step(acts)[:2], kitchen.anchor()))
        return steps

    first = future()
    kitchen.restore(snapshot)
    assert kitchen.anchor() == anchor
    assert future() == first
    assert len(first) > 1


def test_a_seed_redraws_what_the_world_draws() -> None:
    env = RedTeamEnv(work="worlds:test/WindyCorridor-v0", defenders=2)
    env.reset(seed=0, options={"task": "train/clean/0"})
    snapshot = env.snapshot()

    def future(seed: int | None) -> tuple[str, ...]:
        env.restore(snapshot, seed=seed)
        seen = []
        while env.agents:
            observations, *_ = env.step(dict.fromkeys(env.agents, "do: walk"))
            seen.append(observations["defender_0"]["text"])
        return tuple(seen)

    assert future(None) == future(None)
    assert future(5) == future(5)
    assert len({future(seed) for seed in range(12)}) > 1


def test_worlds_that_are_not_there_are_named() -> None:
    with pytest.raises(UnknownEnvError, match="Did you mean 'anchorgym/ALFWorld-v0'"):
        RedTeamEnv(work="anchorgym/AlfWorld-v0")
