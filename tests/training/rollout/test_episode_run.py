"""Runs of one episode: the same for every kind of world, whoever pumps them and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import parallel_worlds  # noqa: F401  (registers the test worlds)
import pytest
import worlds
from any_order_driver import AnyOrderDriver
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo import ParallelEnv
from planning_worlds import Cart
from small_policies import small_policy

from anchorgym.agents import Prompt, RandomPolicy, Sampling, ScriptedPolicy, Session, View
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.planning import PlanningPolicy, RoCoDialogue, SimulatedPlanner, Verified
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs import Outcome, make, make_parallel
from anchorgym.training import EnvPool, Start, rollout
from anchorgym.training.rollout.drivers import LockStepDriver, SamplingRule
from anchorgym.training.rollout.episode_run import EpisodeRun
from anchorgym.training.rollout.errors import ForkError, RewardError, SeatError
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.planning import play_planned
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Episode, Match, StopReason, Turn
from anchorgym.training.rollout.worlds import AGENT, TEAM, TeamWorld, as_world

SOLO = (
    "test/KeyDoor-v0",
    "test/WindyCorridor-v0",
    "test/Shelf-v0",
    "test/Guess-v0",
    "test/Rooms-v0",
    "test/Errands-v0",
)
GAMES = {
    "test/Cards-v0": "three cards",
    "test/Chairs-v0": "three",
    "test/Haggle-v0": "worth 9 cost 3",
    "test/Nim-v0": "",
    "test/Pennies-v0": "rounds 5",
}


def by_hand(env_id: str, start: Start, seed: int, patience: int | None, turns: int) -> Episode:
    """Play at random with nothing but the environment: what every loop has to come to."""
    env, policy = make(env_id, max_turns=turns), RandomPolicy(seed)
    observation, info = env.reset(seed=start.seed, options={"task": start.task})
    episode = Episode(start, env.task_type(start.task), goal=info["goal"])
    refused = 0
    while not episode.stop:
        turn = Turn(observation, info["anchor"])
        turn.action = policy.choose(env, observation, View.of(info))
        observation, reward, ended, cut, info = env.step(turn.action)
        turn.reward, turn.valid, turn.reason = reward, info["action_valid"], info["reason"]
        episode.turns.append(turn)
        episode.won, episode.final_observation = info["won"], observation
        refused = 0 if turn.valid else refused + 1
        if ended or cut:
            episode.stop = StopReason.TERMINATED if ended else StopReason.TURNS
        elif refused == patience:
            episode.stop = StopReason.STUCK
    return episode


@settings(max_examples=60)
@given(
    env_id=st.sampled_from(SOLO),
    task=st.integers(0, 5),
    seeds=st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 99)),
    patience=st.sampled_from([None, 1, 3]),
    turns=st.integers(1, 12),
)
def test_a_world_of_one_is_a_match_with_one_seat(
    env_id: str, task: int, seeds: tuple[int, int], patience: int | None, turns: int
) -> None:
    envs = EnvPool.of(env_id, max_turns=turns)
    panel = envs.first.tasks()
    start = Start(panel[task % len(panel)], 2, seeds[0])
    expected = by_hand(env_id, start, seeds[1], patience, turns)
    policy = RandomPolicy(seeds[1])
    (episode,) = rollout(policy, envs, [start], Sampling(), patience=patience)
    assert episode == expected
    run = EpisodeRun(as_world(envs.first), {AGENT: RandomPolicy(seeds[1])}, start)
    AnyOrderDriver(seeds[1]).play([run], SamplingRule())
    assert run.done
    if patience is None:
        assert run.match.sides == {AGENT: expected}
        (match,) = play_matches([{AGENT: RandomPolicy(seeds[1])}], envs, [start])
        assert match.sides == {AGENT: expected}


@settings(max_examples=40)
@given(
    env_id=st.sampled_from(sorted(GAMES)),
    seed=st.integers(0, 999),
    at_once=st.integers(1, 5),
    learns=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_any_order_of_answers_gives_the_same_matches(
    env_id: str, seed: int, at_once: int, learns: list[bool]
) -> None:
    def played(driver: Any) -> list[Match]:
        envs = EnvPool(lambda: make_parallel(env_id))
        seats = [
            {
                agent: TabularPolicy() if learnt else RandomPolicy(seed + 10 * n + i)
                for i, (agent, learnt) in enumerate(
                    zip(envs.first.possible_agents, learns, strict=False)
                )
            }
            for n in range(4)
        ]
        starts = [Start(GAMES[env_id], 0, seed + n) for n in range(4)]
        greedy = SamplingRule(temperature=0.0)
        return play_matches(seats, envs, starts, sampling=greedy, driver=driver)

    driver = AnyOrderDriver(seed, at_once)
    anyhow, in_step = played(driver), played(LockStepDriver())
    assert [match.sides for match in anyhow] == [match.sides for match in in_step]
    assert driver.most_open == min(at_once, 4)


@pytest.mark.parametrize("form", ["transcript", "window"])
def test_language_policies_write_the_same_in_any_order(form: str) -> None:
    policy = small_policy("test/Errands-v0", tasks=10, max_response=5, form=form)
    envs = EnvPool.of("test/Errands-v0", max_turns=5)
    starts = [Start(task, 0, i) for i, task in enumerate(envs.first.tasks()[:5])]

    def played(driver: Any) -> list[list[tuple[int, ...]]]:
        episodes = rollout(policy, envs, starts, Sampling(5, 0.0), driver=driver)
        return [[t.context + t.response for t in episode.turns] for episode in episodes]

    assert played(AnyOrderDriver(1, 3)) == played(None)


def test_every_request_says_whose_turn_it_is_for() -> None:
    met: list[tuple[int, str, int]] = []

    class Noting(AnyOrderDriver):
        def _answer(self, run: EpisodeRun, ask: Any, sampling: SamplingRule) -> None:
            met.append((ask.run, ask.agent, ask.turn))
            super()._answer(run, ask, sampling)

    envs = EnvPool(lambda: make_parallel("test/Cards-v0"))
    seats = dict.fromkeys(("player_0", "player_1"), TabularPolicy())
    play_matches([seats] * 3, envs, [Start("three cards", 0, i) for i in range(3)], driver=Noting())
    turns = [(n, f"player_{i}", turn) for n in range(3) for i in range(2) for turn in (1, 2)]
    assert sorted(met) == turns


@pytest.mark.parametrize("loop", [Verified(), RoCoDialogue()])
def test_planners_that_ask_several_times_a_turn_are_played_in_any_order(loop: Any) -> None:
    policy = PlanningPolicy(SimulatedPlanner(0.6), loop)
    starts = [("cart", seed) for seed in range(6)]
    in_step = play_planned(policy, [Cart() for _ in starts], starts)
    anyhow = play_planned(policy, [Cart() for _ in starts], starts, driver=AnyOrderDriver(3, 4))
    assert [e.dialogue.to_json() for e in anyhow] == [e.dialogue.to_json() for e in in_step]
    assert max(episode.queries / episode.steps for episode in in_step) > 1


def test_a_teams_episode_is_an_episode_like_others() -> None:
    policy = PlanningPolicy(SimulatedPlanner(0.0), Verified())
    run = EpisodeRun(TeamWorld(Cart()), {TEAM: policy}, Start("cart", 0, 3))
    LockStepDriver().play([run], SamplingRule())
    episode = run.match.sides[TEAM]
    assert (episode.won, episode.stop) == (True, "terminated")
    assert [turn.action for turn in episode.turns] == ["push\npush"] * 2
    assert episode.score == pytest.approx(1.0)
    assert len(run.dialogues[TEAM].rounds) == 2


# Agents that come and go ----------------------------------------------------------------------


class Crowd(ParallelEnv[str, Any, Any]):
    """A stranger's world that names who is in play in each turn; all say a number from 0 to 2.

    One whose name is followed by a dash waits in that turn. Each turn pays everybody 1.
    """

    metadata = {"name": "crowd_v0", "render_modes": []}  # noqa: RUF012
    render_mode = None

    def __init__(self, *turns: str) -> None:
        self.waiting = [[a[:-1] for a in turn.split() if a.endswith("-")] for turn in turns]
        self.turns = [turn.replace("-", "").split() for turn in turns]
        self.possible_agents = sorted({agent for turn in self.turns for agent in turn})
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Any:
        return Box(0, 9, (1,), np.int64)

    def action_space(self, agent: str) -> Any:
        return Discrete(3)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.time, self.agents = 0, list(self.turns[0])
        return self._seen(self.agents)

    def step(self, actions: Mapping[str, Any]) -> Any:
        played, self.time = self.agents, self.time + 1
        self.agents = list(self.turns[self.time]) if self.time < len(self.turns) else []
        seen, infos = self._seen([*played, *(a for a in self.agents if a not in played)])
        ended = {agent: agent not in self.agents for agent in played}
        return seen, dict.fromkeys(played, 1.0), ended, dict.fromkeys(played, False), infos

    def _seen(self, agents: list[str]) -> Any:
        waiting = self.waiting[self.time] if self.time < len(self.turns) else []
        infos = {agent: {"active": agent not in waiting} for agent in agents}
        return {agent: np.array([self.time]) for agent in agents}, infos


def crowd(seats: Mapping[str, Any], *turns: str) -> Match:
    (match,) = play_matches([seats], EnvPool(lambda: Crowd(*turns)), [Start("", 0, 1)])
    return match


def test_an_agent_that_joins_is_played_by_whom_the_seats_name() -> None:
    match = crowd(dict.fromkeys("abc", RandomPolicy(0)), "a b", "a b c", "b c", "c")
    seen = {a: [turn.observation for turn in side.turns] for a, side in match.sides.items()}
    assert seen == {"a": ["0", "1"], "b": ["0", "1", "2"], "c": ["1", "2", "3"]}
    assert {agent: match.score(agent) for agent in "abc"} == {"a": 2.0, "b": 3.0, "c": 3.0}
    assert all(side.stop == "terminated" for side in match.sides.values())


def test_rewards_that_come_early_or_between_turns_are_booked_on_a_turn_of_the_agent() -> None:
    match = crowd(dict.fromkeys("ab", RandomPolicy(0)), "a b-", "a b-", "a- b", "a b", "a b-")
    paid = {agent: [turn.reward for turn in side.turns] for agent, side in match.sides.items()}
    assert paid == {"a": [1.0, 2.0, 1.0, 1.0], "b": [3.0, 2.0]}


def test_an_agent_that_joins_needs_somebody_to_play_it() -> None:
    with pytest.raises(SeatError, match="nobody plays c"):
        crowd(dict.fromkeys("ab", RandomPolicy(0)), "a b", "a b c")


def test_an_agent_that_comes_back_is_refused() -> None:
    with pytest.raises(SeatError, match="a came back"):
        crowd(dict.fromkeys("ab", RandomPolicy(0)), "a b", "b", "a b")


def test_sessions_are_closed_when_their_agent_leaves_and_when_a_run_breaks() -> None:
    opened: list[str] = []

    class Counted(RandomPolicy):
        def open(self, env: Any, agent: str = AGENT) -> Session:
            opened.append(agent)
            session = super().open(env, agent)
            session.close = lambda: opened.remove(agent)  # type: ignore[method-assign]
            return session

    crowd(dict.fromkeys("abc", Counted(0)), "a b", "b c", "c")
    assert not opened
    with pytest.raises(SeatError):
        crowd(dict.fromkeys("ab", Counted(0)), "a b", "b c")
    assert not opened


def test_who_has_no_room_for_a_turn_says_nothing_while_others_play_on() -> None:
    class Brief(ScriptedPolicy):
        """Says one thing, and has no room for more."""

        def open(self, env: Any, agent: str = AGENT) -> Session:
            session, room = super().open(env, agent), [1]
            prompt = session.prompt

            def once(observation: str, view: View) -> Prompt | None:
                return prompt(observation, view) if room and room.pop() else None

            session.prompt = once  # type: ignore[method-assign]
            return session

        def choose(self, env: Any, observation: str, view: View) -> str:
            return "1"

    match = crowd({"a": Brief(), "b": RandomPolicy(0)}, "a b", "a b", "b")
    assert (len(match.sides["a"].turns), match.sides["a"].stop) == (1, "context")
    assert match.score("a") == 2.0  # it is paid all the same
    assert len(match.sides["b"].turns) == 3


# What is refused, and what is kept ------------------------------------------------------------


def test_a_reward_that_is_no_number_is_named() -> None:
    class Broken(worlds.Rooms):
        def act(self, action: str) -> Outcome:
            return super().act(action)._replace(reward=float("nan"))

    with pytest.raises(RewardError, match=r"nan for the action '(west|east)' in turn 1 .*check"):
        rollout(RandomPolicy(0), EnvPool(lambda: Broken()), [Start("room 0")], Sampling())


def test_matches_are_not_forked() -> None:
    world = as_world(make_parallel("test/Cards-v0"))
    seats = dict.fromkeys(("player_0", "player_1"), RandomPolicy(0))
    with pytest.raises(ForkError, match="2 agents"), ForkStore() as store:
        EpisodeRun(world, seats, Start("three cards"), store=store)


def test_an_agents_own_rule_sets_the_temperature_of_its_tokens() -> None:
    policy = small_policy("test/Errands-v0", tasks=10, max_response=5)
    envs = EnvPool.of("test/Errands-v0", max_turns=2)
    rule = AdaptiveTemperature(strength=0.5, centre=1.0, above=0.5, below=2.0)

    def heat(guests: tuple[str, ...]) -> list[tuple[float, ...]]:
        starts = [Start(envs.first.tasks()[0])]
        (match,) = play_matches(
            [{AGENT: policy}], envs, starts, guests=[guests], adaptive={AGENT: rule}
        )
        assert match.guests == frozenset(guests)
        return [turn.temperatures for turn in match.sides[AGENT].turns]

    assert all(len(set(of_turn)) > 1 for of_turn in heat(()))
    assert heat((AGENT,)) == [(), ()]
