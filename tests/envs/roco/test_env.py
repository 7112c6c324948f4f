"""The games as worlds of several agents that can be planned for."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.envs import PlanningEnv, UnknownTaskError, check_parallel_env, make_parallel
from anchorgym.envs.answers import read_answer, write_answer
from anchorgym.envs.errors import ResetNeededError

WORLDS = ["anchorgym/RoCoSweep-v0", "anchorgym/RoCoSandwich-v0", "anchorgym/RoCoSort-v0"]


@pytest.mark.parametrize("world", WORLDS)
def test_both_experts_win_every_level(world: str) -> None:
    env = make_parallel(world)
    for kind in ("honest", "full"):
        for level in env.tasks():
            env.reset(options={"task": level})
            total, infos = env.progress(env.agents[0]), {}
            while env.agents:
                actions = {agent: env.expert_action(agent, kind) for agent in env.agents}
                _, rewards, _, _, infos = env.step(actions)
                assert all(info["action_valid"] for info in infos.values())
                total += rewards[env.possible_agents[0]]
            assert all(info["won"] and info["progress"] == 1.0 for info in infos.values())
            assert total == pytest.approx(1.0)


@pytest.mark.parametrize("world", WORLDS)
def test_a_plan_that_fails_costs_a_turn_and_the_next_observation_says_why(world: str) -> None:
    env = make_parallel(world, max_turns=2)
    assert isinstance(env, PlanningEnv)
    env.reset(options={"task": env.tasks()[-1]})
    before, rng = env.anchor(), random.Random(0)
    plan = env.waiting[:1]
    while len(plan) == 1 or not env.problem(plan):
        plan = tuple(env.slip(agent, rng) for agent in env.agents)
    actions = dict(zip(env.agents, plan, strict=True))
    seen, rewards, *_ = env.step(actions)
    assert env.anchor() == before
    assert env.turn == 1
    for agent in env.possible_agents:
        assert not rewards[agent]
        assert seen[agent]["text"].endswith(env.problem(plan))
    again = make_parallel(world, max_turns=2).restore(env.snapshot())[0]
    assert again == seen
    _, _, _, truncated, _ = env.step(actions)
    assert all(truncated.values())


def test_a_robot_that_says_nothing_waits() -> None:
    env = make_parallel("anchorgym/RoCoSort-v0", level="sort1")
    env.reset()
    *_, infos = env.step({"Alice": "PICK blue_square PLACE panel2"})
    assert infos["Alice"]["action_valid"]
    assert infos["Alice"]["progress"] == pytest.approx(1 / 3)
    seen, *_, infos = env.step({"Bob": "WAIT"})
    assert infos["Bob"]["action_valid"]
    assert "can't all WAIT" in seen["Bob"]["text"]


def test_only_an_action_that_fails_by_itself_is_invalid() -> None:
    env = make_parallel("anchorgym/RoCoSweep-v0", level="Y1_G1")
    env.reset()
    *_, infos = env.step({"Alice": "DUMP", "Bob": "MOVE red_cube_1"})
    assert [infos[name]["action_valid"] for name in env.agents] == [False, True]
    cube = "yellow_cube_1"
    env.step({"Alice": f"MOVE {cube}", "Bob": f"MOVE {cube}"})
    seen, *_, infos = env.step({"Alice": "MOVE red_cube_1", "Bob": f"SWEEP {cube}"})
    assert all(info["action_valid"] for info in infos.values())
    assert "Alice must WAIT" in seen["Alice"]["text"]


@pytest.mark.parametrize("world", WORLDS)
def test_the_worlds_keep_the_contract(world: str) -> None:
    report = check_parallel_env(world, episodes=3)
    assert report.ok, str(report)


def test_a_level_is_the_only_task_of_a_world_made_for_it() -> None:
    env = make_parallel("anchorgym/RoCoSandwich-v0", level="recipe2")
    assert env.tasks() == ("recipe2",)
    with pytest.raises(UnknownTaskError, match="recipe2"):
        env.reset(options={"task": "recipe3"})
    with pytest.raises(UnknownTaskError):
        make_parallel("anchorgym/RoCoSandwich-v0", level="recipe9")
    with pytest.raises(ResetNeededError):
        make_parallel("anchorgym/RoCoSandwich-v0").situation()


AGENTS = ("Alice", "Bob")
WORDS = st.text("aB3_", min_size=1, max_size=5)
ACTIONS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
TALK = st.lists(st.sampled_from(["NAME Bob ACTION DUMP", "I say", "execute", "\r\n", "NAME"]))


@given(st.tuples(ACTIONS, ACTIONS), TALK.map("\n".join))
def test_answers_are_read_as_they_were_written(plan: tuple[str, str], talk: str) -> None:
    assert read_answer(f"{talk}\n{write_answer(AGENTS, plan)}", AGENTS).plan == plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NAME Alice ACTION WAIT\nNAME Bob ACTION WAIT", "must contain 'EXECUTE'"),
        ("EXECUTE\nNAME Alice ACTION WAIT", "no ACTION for Bob"),
        ("EXECUTE\nNAME Alice ACTION WAIT\nNAME Alice ACTION DUMP", "more than one ACTION"),
        ("EXECUTE\nNAME Carol ACTION WAIT\nNAME Bob ACTION WAIT", "is not 'NAME <robot>"),
        ("EXECUTE\nNAME Alice WAIT\nNAME Bob ACTION WAIT", "is not 'NAME <robot>"),
    ],
)
def test_answers_out_of_format_are_refused_with_the_reason(text: str, said: str) -> None:
    reading = read_answer(text, AGENTS)
    assert not reading.plan
    assert said in reading.problem


def test_the_last_execute_counts_and_what_follows_the_plan_is_talk() -> None:
    text = "EXECUTE\nNAME Alice ACTION DUMP\nno:\nEXECUTE\nNAME Bob ACTION  MOVE   x\n"
    text += "NAME Alice ACTION WAIT\nThat is all."
    assert read_answer(text, AGENTS).plan == ("WAIT", "MOVE x")


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_reads_the_plans_that_it_writes(world: str) -> None:
    env = make_parallel(world)
    assert isinstance(env, PlanningEnv)
    env.reset()
    names = env.possible_agents
    plan: tuple[str, ...] = ()
    for name in names:
        plan = (*plan, env.suggest(name, plan))
    assert env.read_plan(env.write_plan(plan), names).plan == plan
    last = env.write_plan(plan[-1:], names[-1:])
    assert names[0] not in last
    assert env.read_plan(last, names[-1:]).plan == plan[-1:]
