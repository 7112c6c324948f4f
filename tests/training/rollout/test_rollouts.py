"""Rollouts: what was sampled is what is recorded, and finished episodes are left alone."""

from __future__ import annotations

import random

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from small_policies import small_policy

from anchorgym.agents import (
    ExpertPolicy,
    ModelPolicy,
    RandomPolicy,
    Sampling,
    ScriptedPolicy,
    Session,
    View,
)
from anchorgym.envs import TextEnv, make
from anchorgym.training import EnvPool, Start, rollout
from anchorgym.training.learning.rows import episode_rows

ALF = "anchorgym/ALFWorld-v0"


@pytest.fixture(scope="module")
def policy() -> ModelPolicy:
    return small_policy(ALF, tasks=40, seed=1, max_response=8)


def starts(n: int) -> list[Start]:
    panel = make(ALF).tasks()
    return [Start(panel[i % 5], i % 5, i) for i in range(n)]


def test_recorded_tokens_are_what_was_sampled(policy: ModelPolicy) -> None:
    episodes = rollout(policy, EnvPool.of(ALF, max_turns=12), starts(20), Sampling(6, 1.0))
    assert len(episodes) == 20
    for episode in episodes:
        rows = list(episode_rows(episode, [0.0] * len(episode.turns)))
        tokens = torch.tensor([rows[0].tokens])
        with torch.no_grad():
            logits = policy.model(input_ids=tokens).logits[0].float()
        table = torch.log_softmax(logits[:-1], -1)
        scored = table.gather(1, tokens[0, 1:, None])[:, 0]
        written = torch.tensor(rows[0].written)[1:]
        assert torch.allclose(scored[written], torch.tensor(rows[0].logprobs), atol=1e-5)
        for turn in episode.turns:
            assert policy.template.parse(turn.response).action == turn.action == turn.text


def test_a_cut_response_is_closed_by_a_token_that_nobody_sampled(policy: ModelPolicy) -> None:
    (episode,) = rollout(policy, EnvPool.of(ALF, max_turns=4), starts(1), Sampling(1, 1.0))
    for before, after in zip(episode.turns, episode.turns[1:], strict=False):
        closed = before.response[-1] == policy.template.eos_id
        assert (after.context[0] == policy.template.eos_id) == (not closed)


def test_a_full_context_ends_the_episode(policy: ModelPolicy) -> None:
    small = policy.with_prompt(max_response=4, max_context=120)
    episodes = rollout(small, EnvPool.of(ALF, max_turns=50), starts(6), Sampling(4, 1.0))
    assert {episode.stop for episode in episodes} == {"context"}
    for episode in episodes:
        assert sum(len(t.context) + len(t.response) for t in episode.turns) <= 120


def test_experts_win_and_random_play_is_cut_at_the_limit() -> None:
    won = rollout(ExpertPolicy(), EnvPool.of(ALF), starts(10), Sampling())
    assert all(e.won and e.stop == "terminated" and e.score == 1.0 for e in won)
    lost = rollout(RandomPolicy(0), EnvPool.of(ALF, max_turns=5), starts(10), Sampling())
    assert all(len(e.turns) == 5 and e.stop == "turns" for e in lost if not e.won)


def test_anchors_and_rewards_are_those_of_the_environment() -> None:
    (episode,) = rollout(ExpertPolicy(), EnvPool.of(ALF), starts(1), Sampling())
    env = make(ALF)
    observation, info = env.reset(options={"task": episode.start.task})
    for turn in episode.turns:
        assert (turn.observation, turn.anchor) == (observation, info["anchor"])
        observation, reward, *_, info = env.step(turn.action)
        assert (turn.reward, turn.valid) == (reward, info["action_valid"])


def test_stochastic_worlds_repeat_under_the_same_seeds() -> None:
    def play(seed: int) -> list[int]:
        begin = [Start("length 6", 0, seed + i) for i in range(8)]
        return [
            len(e.turns)
            for e in rollout(
                RandomPolicy(1), EnvPool.of("test/WindyCorridor-v0"), begin, Sampling()
            )
        ]

    assert play(3) == play(3)
    assert len({tuple(play(random.Random(k).randrange(10**6))) for k in range(4)}) > 1


def test_an_interrupted_rollout_closes_its_sessions() -> None:
    class Interrupted(RandomPolicy):
        """Counts the sessions that are open; somebody presses Ctrl-C in the third turn."""

        opened = turns = 0

        def open(self, env: TextEnv, agent: str = "agent") -> Session:
            session = super().open(env, agent)
            self.opened += 1
            close = session.close

            def closed() -> None:
                self.opened -= 1
                close()

            session.close = closed  # type: ignore[method-assign]
            return session

        def choose(self, env: TextEnv, observation: str, view: View) -> str:
            self.turns += 1
            if self.turns == 8:
                raise KeyboardInterrupt
            return super().choose(env, observation, view)

    policy = Interrupted(0)
    with pytest.raises(KeyboardInterrupt):
        rollout(policy, EnvPool.of(ALF), starts(3), Sampling())
    assert policy.opened == 0


def test_an_episode_that_is_stuck_is_cut_when_patience_ends() -> None:
    class Stubborn(ScriptedPolicy):
        """Walks twice, then repeats what is refused."""

        def choose(self, env: TextEnv, observation: str, view: View) -> str:
            return "west" if env.turn < 2 else "fly"

    start = [Start("key here")]
    doors = EnvPool.of("test/KeyDoor-v0")
    (cut,) = rollout(Stubborn(), doors, start, Sampling(), patience=3)
    assert (cut.stop, [turn.valid for turn in cut.turns]) == ("stuck", [True, True, *[False] * 3])
    (whole,) = rollout(Stubborn(), doors, start, Sampling())
    assert (whole.stop, len(whole.turns)) == ("turns", 20)


@pytest.mark.parametrize("patience", [1, 3])
def test_who_is_stuck_from_the_first_turn_is_cut_when_patience_ends(patience: int) -> None:
    class Stubborn(ScriptedPolicy):
        def choose(self, env: TextEnv, observation: str, view: View) -> str:
            return "fly"

    doors = EnvPool.of("test/KeyDoor-v0")
    (cut,) = rollout(Stubborn(), doors, [Start("key here")], Sampling(), patience=patience)
    assert (cut.stop, [turn.valid for turn in cut.turns]) == ("stuck", [False] * patience)
