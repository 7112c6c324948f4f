"""`check_env` passes healthy worlds and names each planted fault by the check that is about it."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from faulty_worlds import (
    FAULTS,
    AnchorWithoutTheKey,
    KeepsItsDrawnFuture,
    OwnRandomness,
    RaisesOnEmptyAction,
    RaisesOnListedAction,
    SeedMovesTheKey,
    SeedsTheGlobalGenerator,
)
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from gymnasium.wrappers import TransformReward
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import KEYS, Guess, GuidedKeyDoor, KeyDoor, Shelf, WindyCorridor

from anchorgym.envs import CheckReport, Outcome, TextEnv, check_env
from anchorgym.envs.checking.check import CHECKS
from anchorgym.envs.errors import EnvCheckError, OptionError, UnknownEnvError

HEALTHY = (KeyDoor, GuidedKeyDoor, WindyCorridor, Shelf, Guess)


@pytest.mark.parametrize("world", HEALTHY)
@pytest.mark.parametrize("seed", [0, 1])
def test_healthy_worlds_pass(world: type[TextEnv], seed: int) -> None:
    report = check_env(world, seed=seed)

    assert report.ok, report.summary()
    assert {result.status for result in report.results} == {"passed"}
    report.raise_if_failed()


@pytest.mark.parametrize(("check", "world"), FAULTS)
def test_a_planted_fault_is_named_by_its_check_alone(check: str, world: type[TextEnv]) -> None:
    report = check_env(world)

    assert {finding.check for finding in report.findings} == {check}, report.summary()
    with pytest.raises(EnvCheckError, match=check):
        report.raise_if_failed()


def test_every_check_has_a_planted_fault() -> None:
    assert {check for check, _ in FAULTS} == {"make", *(check.name for check in CHECKS)}


def test_a_finding_says_how_to_see_it_again() -> None:
    finding = check_env(RaisesOnListedAction).findings[0]

    env = RaisesOnListedAction()
    env.reset(seed=finding.seed, options={"task": finding.task})
    for action in finding.actions[:-1]:
        env.step(action)
    with pytest.raises(ZeroDivisionError):
        env.step(finding.actions[-1])
    assert "never forged" in finding.seen


def test_a_recipe_leaves_out_the_actions_that_do_not_matter() -> None:
    here = check_env(RaisesOnListedAction).findings[0]
    assert (here.task, here.actions) == ("key here", ("take key",))

    class BreaksInTheWest(KeyDoor):
        def act(self, action: str) -> Outcome:
            outcome = super().act(action)
            if self.at == 0:
                raise RuntimeError("the west is out of bounds")
            return outcome

    assert check_env(BreaksInTheWest).findings[0].actions == ("west", "west")


class ListOfActions(KeyDoor):
    def admissible_actions(self) -> Any:
        return list(super().admissible_actions())


class ListsNumbers(KeyDoor):
    def admissible_actions(self) -> Any:
        return (*super().admissible_actions(), 7)


class GoalIsATuple(KeyDoor):
    goal: Any = ("open", "door")


class AnchorIsText(KeyDoor):
    def anchor(self) -> Any:
        return super().anchor().hex()


class StateHoldsASet(KeyDoor):
    def save(self) -> Any:
        return {self.at, self.open}


class StateHasTuplesAsKeys(KeyDoor):
    def save(self) -> Any:
        return {(self.at, 0): self.open}


class ActsWithoutOutcome(KeyDoor):
    def act(self, action: str) -> Any:
        super().act(action)


class ActsWithTwoValues(KeyDoor):
    def act(self, action: str) -> Any:
        return super().act(action)[:2]


class StartsWithNothing(KeyDoor):
    def start(self, task: str) -> Any:
        super().start(task)


class NoSuperInit(KeyDoor):
    def __init__(self) -> None:
        self.mood = 0


class TakesNoSplit(KeyDoor):
    def __init__(self, max_turns: int = 5) -> None:
        super().__init__(max_turns=max_turns)


class HalfAWorld(TextEnv):
    def tasks(self, split: str | None = None) -> Any:
        return ("one",)


@pytest.mark.parametrize(
    ("world", "remedy"),
    [
        (ListOfActions, r"return a tuple of strings from admissible_actions\(\)"),
        (ListsNumbers, r"return a tuple of strings from admissible_actions\(\)"),
        (GoalIsATuple, r"set self.goal to a string in start\(\)"),
        (AnchorIsText, r"anchor\(\) returns bytes, 16 of them by default"),
        (StateHoldsASet, r"save\(\) returns JSON values: lists instead of sets"),
        (StateHasTuplesAsKeys, r"save\(\) returns JSON values: .* tuples as keys"),
        (
            ActsWithoutOutcome,
            r"act\(\) returns an Outcome\(observation, reward, terminated, reason",
        ),
        (ActsWithTwoValues, r"act\(\) returns an Outcome\("),
        (StartsWithNothing, r"return a string from start\(\)"),
        (NoSuperInit, r"call super\(\).__init__"),
        (lambda: TakesNoSplit(split="train"), r"pass split, max_turns and render_mode on to"),
        (HalfAWorld, r"implement act, admissible_actions, load, save, start as"),
        (object, r"derive the class from anchorgym.envs.TextEnv"),
        (7, r"derive the class from anchorgym.envs.TextEnv"),
    ],
)
def test_a_common_mistake_has_a_remedy_of_its_own(world: Any, remedy: str) -> None:
    report = check_env(world)
    assert re.search(remedy, report.findings[0].remedy), report.summary()


def test_an_invalid_action_without_outcome_has_the_remedy_for_it() -> None:
    class Forgets(KeyDoor):
        def act(self, action: str) -> Any:
            return super().act(action) if action in self.admissible_actions() else None

    finding = check_env(Forgets).findings[0]
    assert (finding.check, finding.remedy[:24]) == ("invalid_actions", "act() returns an Outcome")


def test_an_error_is_shown_with_its_place_in_the_worlds_own_code() -> None:
    class Parses(KeyDoor):
        def act(self, action: str) -> Outcome:
            json.loads("{" + action)
            return super().act(action)

    line = Parses.act.__code__.co_firstlineno + 1
    seen = check_env(Parses).findings[0].seen
    assert "JSONDecodeError" in seen
    assert seen.endswith(f"test_checking.py:{line}, in act)")


def test_an_error_in_a_registered_constructor_is_shown_with_its_place_and_no_tail() -> None:
    class Broken(KeyDoor):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            len(7)  # type: ignore[arg-type]

    gym.register("test/Broken-v0", entry_point=Broken)
    seen = check_env("test/Broken-v0").findings[0].seen
    line = Broken.__init__.__code__.co_firstlineno + 2
    assert re.search(rf"has no len\(\) \(.*test_checking.py:{line}, in __init__\)$", seen), seen
    del gym.registry["test/Broken-v0"]


def test_anchors_that_differ_are_short_hex_beside_their_states() -> None:
    seen = check_env(SeedMovesTheKey).findings[0].seen
    assert re.search(r"anchor [0-9a-f]{12}… became [0-9a-f]{12}…; save\(\) \[\d, ", seen), seen
    assert "\\x" not in seen

    one_anchor = check_env(AnchorWithoutTheKey).findings[0].seen
    assert re.search(r"save\(\) \[\d, \w+, \w+\] and \[", one_anchor), one_anchor


def test_a_report_prints_as_its_table_with_many_skipped_checks_in_one_line() -> None:
    few, many = check_env(AnchorWithoutTheKey), check_env(RaisesOnListedAction)
    assert str(many) == many.summary()
    skipped = [result.name for result in many.results if result.status == "skipped"]
    assert len(skipped) > 3
    lines = [line for line in str(many).splitlines() if line.startswith("  skipped")]
    assert len(lines) == 1
    assert all(name in lines[0] for name in skipped)
    assert "  skipped" not in str(few)

    two = check_env(KeepsItsDrawnFuture)
    assert "skipped  anchors " in str(two)
    assert "needs reseed" in str(two)


def test_a_check_that_builds_on_a_failed_one_is_skipped_and_says_so() -> None:
    results = {result.name: result for result in check_env(OwnRandomness).results}

    assert results["restore"].status == "skipped"
    assert results["leftovers"].note == "needs determinism"
    assert results["invalid_actions"].status == "passed"


def test_the_report_is_json_and_a_table() -> None:
    report = check_env(RaisesOnEmptyAction)
    data = json.loads(json.dumps(report.to_json()))

    assert data["ok"] is False
    failed = [check for check in data["checks"] if check["status"] == "failed"]
    assert [check["name"] for check in failed] == ["invalid_actions"]
    assert failed[0]["findings"][0]["actions"] == [""]
    table = report.summary()
    assert "RaisesOnEmptyAction: 1 of" in table
    assert "FAILED   invalid_actions" in table
    assert table.replace("\n", "").isprintable()


def test_reports_shorten_a_million_characters() -> None:
    class Deaf(KeyDoor):
        def step(self, action: str) -> Any:
            if isinstance(action, str) and len(action) > 9999:
                raise MemoryError
            return super().step(action)

    report = check_env(Deaf)
    assert len(json.dumps(report.to_json())) < 20_000
    assert len(report.summary()) < 20_000


def test_an_id_a_class_a_function_and_an_environment_are_checked_alike() -> None:
    made = KeyDoor(max_turns=20)
    made.reset(seed=3, options={"task": "key west"})
    before = made.snapshot()
    wrapped: Any = gym.make("test/KeyDoor-v0")
    for env in ("test/KeyDoor-v0", KeyDoor, lambda: KeyDoor(max_turns=9), made, wrapped):
        assert check_env(env).ok
    assert made.snapshot() == before


def test_a_registered_environment_is_checked_with_its_arguments() -> None:
    env = gym.make("test/KeyDoor-v0", max_turns=7).unwrapped
    assert isinstance(env, TextEnv)
    assert check_env(env).env == "test/KeyDoor-v0"
    assert check_env("test/KeyDoor-v0", max_turns=7).ok
    with pytest.raises(OptionError, match="max_turns"):
        check_env(env, max_turns=8)


def test_faults_of_the_caller_are_raised() -> None:
    with pytest.raises(UnknownEnvError, match="Did you mean 'test/KeyDoor-v0'"):
        check_env("test/KeyDor-v0")
    with pytest.raises(OptionError, match="episodes"):
        check_env(KeyDoor, episodes=0)


def test_what_is_no_text_environment_is_a_finding() -> None:
    gym.register(
        "test/Wrapped-v0",
        entry_point="worlds:KeyDoor",
        additional_wrappers=(TransformReward.wrapper_spec(func=float),),
    )
    for env in ("test/Wrapped-v0", "CartPole-v1", lambda: object()):
        report = check_env(env)  # type: ignore[arg-type]
        assert [finding.check for finding in report.findings] == ["make"]
        assert "TextEnv" in report.findings[0].seen
    assert "max_rounds" in check_env(KeyDoor, max_rounds=3).findings[0].seen


def test_global_random_generators_are_given_back() -> None:
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    check_env(SeedsTheGlobalGenerator)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]


def test_one_turn_episodes_are_fine() -> None:
    report = check_env(Guess, max_turns=1)
    assert report.ok, report.summary()


def test_the_same_seed_gives_the_same_report() -> None:
    def report() -> CheckReport:
        return check_env(AnchorWithoutTheKey, seed=4)

    assert report().to_json() == report().to_json()


@pytest.mark.parametrize("world", HEALTHY)
def test_gymnasiums_checker_passes_on_the_registered_worlds(world: type[TextEnv]) -> None:
    gymnasium_check_env(gym.make(f"test/{world.__name__}-v0").unwrapped)


ACTIONS = st.one_of(st.sampled_from(["west", "east", "take key", "open door"]), st.text(max_size=8))


@settings(max_examples=60)
@given(task=st.sampled_from(sorted(KEYS)), actions=st.lists(ACTIONS, max_size=25))
def test_any_actions_keep_the_contract(task: str, actions: list[str]) -> None:
    env, other = KeyDoor(), KeyDoor()
    env.reset(seed=0, options={"task": task})
    for turn, action in enumerate(actions, start=1):
        before = env.anchor(), env.snapshot()
        observation, reward, terminated, _, info = env.step(action)

        assert observation in env.observation_space
        assert env.turn == turn
        assert info["action_valid"] == (info["reason"] == "")
        assert terminated == info["won"] == (info["progress"] == 1.0)
        if not info["action_valid"]:
            assert (env.anchor(), reward) == (before[0], 0.0)
        other.restore(before[1])
        assert other.step(action)[0] == observation
        assert other.snapshot() == env.snapshot()
