"""A tiny word-level policy can read and write what is said in the red-team world."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from anchorgym.agents.policies.base import View
from anchorgym.agents.prompts.template import TinyTemplate
from anchorgym.agents.prompts.tokenizer import build_tokenizer
from anchorgym.envs import RedTeamEnv
from anchorgym.envs.redteam import ATTACKERS, DEFENDERS
from anchorgym.envs.redteam.language import read, reveals

Turns = list[tuple[str, View, str]]


def played(tasks: Sequence[str]) -> Turns:
    """Return (what is read, goal and actions, what is written) of scripted episodes."""
    env, rng, seen = RedTeamEnv(), random.Random(0), []
    for task in tasks:
        observations, infos = env.reset(options={"task": task})
        players = {"a": rng.choice(list(ATTACKERS)), "d": rng.choice(list(DEFENDERS))}
        while env.agents:
            actions = {
                agent: env.scripted_action(agent, players[agent[0]])
                for agent in env.agents
                if infos[agent]["active"]
            }
            seen += [
                (observations[a]["text"], View(infos[a]["goal"], (), True, ""), said)
                for a, said in actions.items()
            ]
            observations, _, _, _, infos = env.step(actions)
    return seen


@pytest.fixture(scope="module")
def turns() -> Turns:
    return played(RedTeamEnv().tasks()[:400])


@pytest.fixture(scope="module")
def template(turns: Turns) -> TinyTemplate:
    texts = [text for observation, view, _ in turns for text in (observation, view.goal)]
    return TinyTemplate(build_tokenizer(texts, [said for _, _, said in turns]))


def test_what_is_written_is_read_as_it_was_meant(turns: Turns, template: TinyTemplate) -> None:
    for _, _, said in turns:
        assert read(template.parse(template.response(said)).action) == read(said)


def test_secrets_and_tokens_survive_the_writing(turns: Turns, template: TinyTemplate) -> None:
    leaks = [said for _, _, said in turns if "the code: " in said]
    assert leaks
    for said in leaks:
        code = said.rpartition("the code: ")[2].partition(";")[0]
        assert reveals(code, template.parse(template.response(said)).action)


def test_turns_are_short(turns: Turns, template: TinyTemplate) -> None:
    read_lengths = [len(template.turn(seen, view, "eos")) for seen, view, _ in turns]
    written = [len(template.response(said)) for _, _, said in turns]
    assert len(template.tokenizer) < 500
    assert sum(read_lengths) / len(read_lengths) < 40
    assert sum(written) / len(written) < 10
    assert max(written) < 32
