"""What a policy may see, and the policies that need no model."""

from __future__ import annotations

import pytest
import worlds  # noqa: F401  (registers the test worlds)

from anchorgym.agents import ExpertPolicy, Prompt, RandomPolicy, ScriptedPolicy, View
from anchorgym.envs import TextEnv, make
from anchorgym.envs.errors import NoExpertError

VIEW = View("a goal", ("west", "east"), True, "")
NO_ACTIONS = VIEW._replace(admissible_actions=())


def actions(policy: ScriptedPolicy, env: TextEnv, view: View, n: int) -> list[str]:
    session = policy.open(env)
    written = []
    for _ in range(n):
        assert session.prompt("You stand here.", view) == Prompt()
        written.append(session.decide(None).action)
    session.close()
    return written


def test_a_view_hides_what_would_give_the_answer_away() -> None:
    _, info = make("test/KeyDoor-v0").reset(seed=0)
    view = View.of(info)
    assert view._fields == ("goal", "admissible_actions", "action_valid", "reason")
    assert view.goal == info["goal"]
    assert view.admissible_actions == info["admissible_actions"]
    assert (view.action_valid, view.reason) == (True, "")
    assert info["anchor"] not in view


def test_a_view_tells_why_an_action_was_refused() -> None:
    env = make("test/KeyDoor-v0")
    env.reset(seed=0)
    *_, info = env.step("fly")
    view = View.of(info)
    assert not view.action_valid
    assert view.reason


def test_experts_play_what_the_environment_says() -> None:
    env = make("test/CandidKeyDoor-v0")
    _, info = env.reset(options={"task": "key west"})
    assert actions(ExpertPolicy(), env, View.of(info), 1) == ["west"]


def test_kinds_of_experts_are_told_apart() -> None:
    env = make("test/GuidedKeyDoor-v0")
    _, info = env.reset(options={"task": "key east"})
    assert actions(ExpertPolicy("full"), env, View.of(info), 1) == ["east"]
    with pytest.raises(NoExpertError):
        actions(ExpertPolicy("honest"), env, View.of(info), 1)


def test_random_play_is_admissible_and_repeats_under_its_seed() -> None:
    env = make("test/KeyDoor-v0")
    first = actions(RandomPolicy(1), env, VIEW, 30)
    assert set(first) == set(VIEW.admissible_actions)
    assert first == actions(RandomPolicy(1), env, VIEW, 30)
    assert first != actions(RandomPolicy(2), env, VIEW, 30)


def test_random_play_writes_nothing_where_nothing_is_admissible() -> None:
    assert actions(RandomPolicy(), make("test/Guess-v0"), NO_ACTIONS, 1) == [""]


def test_a_policy_of_ones_own_needs_one_method() -> None:
    class West(ScriptedPolicy):
        def choose(self, env: TextEnv, observation: str, view: View) -> str:
            return f"{observation} {view.goal}"

    assert West().engine is None
    assert actions(West(), make("test/KeyDoor-v0"), VIEW, 1) == ["You stand here. a goal"]


def test_sessions_decide_on_what_they_were_shown_last() -> None:
    class Echo(ScriptedPolicy):
        def choose(self, env: TextEnv, observation: str, view: View) -> str:
            return observation

    env = make("test/KeyDoor-v0")
    one, other = Echo().open(env), Echo().open(env)
    assert one.key != other.key
    one.prompt("first", VIEW)
    one.prompt("second", VIEW)
    other.prompt("third", VIEW)
    assert (one.decide(None).action, other.decide(None).action) == ("second", "third")
    with pytest.raises(RuntimeError, match="prompt"):
        Echo().open(env).decide(None)
