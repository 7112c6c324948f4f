"""Corrected episodes: the policy's own turns, the teacher's turns, and what is imitated."""

from __future__ import annotations

from itertools import groupby

import pytest
from small_policies import small_policy

from anchorgym.agents import ModelPolicy, View
from anchorgym.agents.policies.tiny import factor_embedding
from anchorgym.envs import Info, make
from anchorgym.training import EnvPool
from anchorgym.training.imitation.dagger import Corrections
from anchorgym.training.imitation.teachers import find_teacher
from anchorgym.training.learning.demonstrations import DONE, MISTAKE, READ, Demonstration

ALF = "anchorgym/ALFWorld-v0"


@pytest.fixture(scope="module")
def policy() -> ModelPolicy:
    policy = small_policy(ALF, tasks=40, max_response=8)
    factor_embedding(policy)  # as it is while a clone is trained
    return policy


def draw(policy: ModelPolicy, share: float, n: int = 12, seed: int = 0) -> list[Demonstration]:
    worlds = EnvPool.of(ALF, max_turns=12)
    teacher, _ = find_teacher(worlds.first)
    panel = worlds.first.tasks()
    return Corrections(policy, worlds, panel, teacher, share=share, max_tokens=400).draw(n, seed)


def seen(info: Info) -> View:
    """What a policy is shown that lists no admissible actions."""
    return View.of(info)._replace(admissible_actions=())


def turns(policy: ModelPolicy, row: Demonstration) -> list[tuple[list[int], list[int], list[int]]]:
    """(context, response, what is imitated of it) of each turn."""
    act = policy.template.turn("", View("", (), True, ""), "")[-1]
    out, context = [], []
    for read, run in groupby(range(len(row.tokens)), key=lambda i: row.kinds[i] == READ):
        positions = list(run)
        tokens = [row.tokens[i] for i in positions]
        if read:
            context = tokens
        elif context and context[-1] == act:
            shown = [row.instead.get(i, row.tokens[i]) for i in positions if row.kinds[i] == DONE]
            out.append((context, tokens, shown))
            context = []
    return out


def test_what_is_imitated_is_what_the_teacher_does_in_that_very_state(policy: ModelPolicy) -> None:
    imitated = mistakes = 0
    for row in draw(policy, share=0.5):
        env, cut = None, False
        for context, response, shown in turns(policy, row):
            if env is None:
                env, observation, info = _start(policy, context)
            assert context[cut:] == policy.template.turn(observation, seen(info), "")
            right = policy.template.response(env.expert_action("honest"))
            assert right[: len(shown)] == shown
            assert len(shown) > 0
            imitated, mistakes = imitated + (response == right), mistakes + (response != right)
            cut = response[-1] != policy.template.eos_id
            observation, *_, info = env.step(policy.template.parse(response).action)
    assert imitated > 20
    assert mistakes > 20


def _start(policy: ModelPolicy, context: list[int]):  # type: ignore[no-untyped-def]
    """Find the task that a transcript began with among those of the panel."""
    env = make(ALF)
    for task in _tasks():
        observation, info = env.reset(options={"task": task})
        if policy.template.turn(observation, seen(info), "") == context:
            return env, observation, info
    raise AssertionError("a transcript that begins with no task")


def _tasks() -> list[str]:
    import random

    rng, panel = random.Random(0), make(ALF).tasks()
    return [panel[rng.randrange(len(panel))] for _ in range(12)]


def test_without_own_turns_it_is_the_expert_alone(policy: ModelPolicy) -> None:
    for row in draw(policy, share=0.0):
        assert MISTAKE not in row.kinds
        assert not row.instead
        assert row.kinds.count(DONE) > 0


def test_equal_seeds_give_equal_episodes(policy: ModelPolicy) -> None:
    assert draw(policy, 0.5, seed=3) == draw(policy, 0.5, seed=3)
    assert draw(policy, 0.5, seed=3) != draw(policy, 0.5, seed=4)


def test_transcripts_stay_near_the_limit_of_tokens(policy: ModelPolicy) -> None:
    longest = max(len(row.tokens) for row in draw(policy, share=0.9))
    assert longest < 400 + 120


def test_transcripts_never_outgrow_the_context() -> None:
    small = small_policy(ALF, tasks=40, max_response=8, max_context=128)
    rows = draw(small, share=0.5)
    assert rows
    assert max(len(row.tokens) for row in rows) <= 128
