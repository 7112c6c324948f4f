"""Language policies that scripts teach in a world of several agents."""

from __future__ import annotations

import random
import re
from itertools import islice
from typing import Any

import pytest

from anchorgym.agents import ModelPolicy, ScriptPolicy
from anchorgym.envs import make_parallel
from anchorgym.gigpo import make_algorithm
from anchorgym.training import Start
from anchorgym.training.config.sections import CloneConfig, LearnerConfig, PolicyConfig
from anchorgym.training.imitation.scripts import clone, lessons, new_language_policy
from anchorgym.training.learning.demonstrations import DONE
from anchorgym.training.rollout.sides import Seats
from anchorgym.training.selfplay import EnvPool, Role, Roles, play_matches

RED = "anchorgym/RedTeam-v0"
DEFENDERS = ("defender_0", "defender_1", "defender_2")
SMALL = PolicyConfig(hidden=32, layers=2, heads=2, feed_forward=64)


@pytest.fixture(scope="module")
def envs() -> EnvPool[Any]:
    return EnvPool(lambda: make_parallel(RED))


@pytest.fixture(scope="module")
def policy(envs: EnvPool[Any]) -> ModelPolicy:
    return new_language_policy(envs, cast, SMALL, env_id=RED, matches=384)


def cast(rng: random.Random) -> Seats:
    attacker = ScriptPolicy(rng.choice(["authority", "blatant", "peer_spoof"]))
    return {"attacker_0": attacker, **dict.fromkeys(DEFENDERS, ScriptPolicy("verify"))}


def test_a_lesson_is_what_a_script_says_where_it_says_it(
    envs: EnvPool[Any], policy: ModelPolicy
) -> None:
    for row in islice(lessons(policy, DEFENDERS, envs, cast, 1), 20):
        text = policy.tokenizer.decode(row.tokens)
        said = policy.tokenizer.decode(
            [token for token, kind in zip(row.tokens, row.kinds, strict=True) if kind == DONE]
        )
        assert "<unk>" not in said
        assert "answer" in said
        assert text.count("<act>") == said.count("<eos>")


def test_the_seats_of_others_are_not_learnt_from(envs: EnvPool[Any], policy: ModelPolicy) -> None:
    rows = islice(lessons(policy, ("attacker_0",), envs, cast, 2), 8)
    assert {row.kinds.count(DONE) > 0 for row in rows} == {True}
    assert all(
        policy.tokenizer.decode(row.tokens).count("<act>") == 1
        for row in islice(lessons(policy, ("attacker_0",), envs, cast, 3), 8)
    )


def test_rows_of_single_turns_come_from_all_over_a_long_match() -> None:
    """Else a pool of them would show the beginning of one match."""
    kitchens = EnvPool(lambda: make_parallel("anchorgym/Overcooked-v0"))
    cooks = ("cook_0", "cook_1")
    window = PolicyConfig(**{**SMALL.model_dump(), "form": "window", "history": 0})

    def greedy(_: random.Random) -> Seats:
        return dict.fromkeys(cooks, ScriptPolicy("greedy"))

    pupil = new_language_policy(
        kitchens, greedy, window, env_id="anchorgym/Overcooked-v0", matches=2
    )
    shown = list(islice(lessons(pupil, cooks, kitchens, greedy, 1), 48))
    seen = (pupil.tokenizer.decode(row.tokens) for row in shown)
    ticks = [int(re.findall(r"tick((?: ?\d)+)", text)[0].replace(" ", "")) for text in seen]
    assert min(ticks) < 100
    assert max(ticks) > 300
    assert all(DONE in row.kinds for row in shown)


def test_a_policy_is_cloned_then_plays_and_learns_in_its_role(
    envs: EnvPool[Any], policy: ModelPolicy
) -> None:
    losses = [
        step.action_loss for step in clone(policy, DEFENDERS, envs, cast, CloneConfig(), updates=48)
    ]
    assert sum(losses[-8:]) < 0.7 * sum(losses[:8])
    algorithm = make_algorithm("public_baseline", kl_coef=0.0)
    team = Role("defender", DEFENDERS, policy, algorithm)
    attackers = Role("attacker", ("attacker_0",), ScriptPolicy("authority"))
    roles = Roles([attackers, team], {"defender": LearnerConfig()})
    task = next(task for task in envs.first.tasks() if "/attack/" in task)
    matches = play_matches([roles.seats] * 6, envs, [Start(task, 0, i) for i in range(6)])
    figures = roles.learn(matches, 0)
    assert figures["attacker"].keys() == {"score", "won", "turns", "valid"}
    assert figures["defender"]["rows"] > 0
    assert figures["defender"]["entropy"] > 0
