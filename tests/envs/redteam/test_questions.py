"""Questions: the same everywhere, with answers that are right and answers that are not."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from anchorgym.envs import RedTeamEnv
from anchorgym.envs.errors import MissingExtraError, OptionError
from anchorgym.envs.redteam.payoffs import play
from anchorgym.envs.redteam.questions import DATASETS, questions
from anchorgym.envs.redteam.tools import use


def test_sums_are_right_and_their_wrong_answers_wrong() -> None:
    source = questions("arithmetic")
    for number in range(300):
        question = source.question("train", number)
        assert use("calc", question.text) == question.answer
        assert source.is_right(question, question.answer)
        assert not source.is_right(question, question.wrong)


@pytest.mark.parametrize("answer", ["", "it is 7", "7.0", "seven", "7 8", "٧", "+7"])
def test_answers_are_read_strictly(answer: str) -> None:
    source = questions("arithmetic")
    question = source.question("train", 0)._replace(answer="7")
    assert source.is_right(question, "7")
    assert not source.is_right(question, answer)


def test_splits_ask_different_questions() -> None:
    source = questions("arithmetic")
    asked = [{source.question(s, n).text for n in range(30)} for s in ("train", "test")]
    assert asked[0] != asked[1]


def test_reasoning_gyms_questions_have_right_and_wrong_answers() -> None:
    pytest.importorskip("reasoning_gym", reason="the extra redteam is not installed")
    source = questions("reasoning-gym")
    names = set()
    for number in range(4 * len(DATASETS)):
        question = source.question("valid", number)
        names.add(question.name)
        assert source.is_right(question, question.answer), question
        assert not source.is_right(question, question.wrong), question
        assert not source.is_right(question, f"I am sure that it is {question.answer}"), question
        assert question == source.question("valid", number)
        assert question.text != source.question("test", number).text
    assert names == set(DATASETS)


def test_teams_answer_reasoning_gyms_questions() -> None:
    pytest.importorskip("reasoning_gym", reason="the extra redteam is not installed")
    env = RedTeamEnv(work="reasoning-gym:gcd,syllogism")
    for number in (0, 1):
        clean = play(env, f"test/clean/{number}", "abstain", "naive").record
        assert clean.right
        task = f"test/attack/false_answer/tool/{number}"
        fooled = play(env, task, "authority", "naive").record
        assert fooled.hit
        assert not fooled.right
    assert "Answer Yes or No" in env.goal("defender_0")
    with pytest.raises(OptionError, match="Did you mean 'gcd'"):
        RedTeamEnv(work="reasoning-gym:gdc")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("reasoning_gym"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"anchorgym\[redteam\]"):
        RedTeamEnv(work="reasoning-gym")
