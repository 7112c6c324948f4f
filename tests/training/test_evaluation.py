"""Evaluations: figures that can be trusted and compared."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import worlds  # noqa: F401  (registers the test worlds)
from small_policies import small_policy

from anchorgym.agents import ExpertPolicy, ModelPolicy, RandomPolicy
from anchorgym.training import (
    ConfigError,
    Episode,
    Evaluation,
    Start,
    Turn,
    Worlds,
    evaluate,
    evaluation,
    paired_difference,
)
from anchorgym.training.evaluation import bootstrap, success_interval, summarise

ALF = "anchorgym/ALFWorld-v0"


def played(won: str, kind: str = "", valid: bool = True) -> list[Episode]:
    """Episodes of two turns, one a letter: w is won."""
    turn = Turn("", b"", (), (), (), "", valid=valid)
    return [Episode(Start(f"{kind} {i}"), kind, [turn, turn], w == "w") for i, w in enumerate(won)]


def figures(won: str) -> Evaluation:
    return summarise(played(won), "valid", "the panel", 0.0)


def untrained() -> ModelPolicy:
    return small_policy(ALF, max_response=5)


def test_the_interval_holds_a_known_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(500):
        interval = bootstrap(rng.normal(0.4, 1.0, size=80))
        held += interval.low <= 0.4 <= interval.high
    assert 0.925 <= held / 500 <= 0.975


def test_winning_everything_is_not_certainty() -> None:
    everything, nothing = success_interval(np.ones(20)), success_interval(np.zeros(20))
    assert (everything.mean, everything.high) == (1.0, 1.0)
    assert everything.low == pytest.approx(0.839, abs=1e-3)  # Wilson's interval of 20 of 20
    assert (nothing.mean, nothing.low) == (0.0, 0.0)
    assert nothing.high == pytest.approx(0.161, abs=1e-3)


def test_the_interval_is_the_same_each_time_and_holds_the_mean() -> None:
    values = np.random.default_rng(1).normal(size=50)
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values).low < values.mean() < bootstrap(values).high


def test_a_paired_gain_is_narrower_than_the_figures_it_compares() -> None:
    before, after = figures("wl" * 40), figures("wl" * 38 + "wwww")
    gain = paired_difference(after, before)
    assert gain.mean == pytest.approx(2 / 80)
    assert gain.high - gain.low < (after.success.high - after.success.low) / 2


def test_figures_of_different_panels_are_not_compared() -> None:
    one = figures("wl")
    with pytest.raises(ValueError, match="same panel"):
        paired_difference(one, replace(one, panel="another"))


def test_a_summary_counts_by_type() -> None:
    episodes = [*played("wwl", "put"), *played("l", "clean", valid=False)]
    found = summarise(episodes, "valid", "the panel", 0.0)
    assert found.by_type == {"clean": (0, 1), "put": (2, 3)}
    assert found.success.mean == 0.5
    assert found.won == (True, True, False, False)
    assert (found.turns, found.invalid) == (2.0, 0.25)
    assert json.loads(json.dumps(found.to_json()))["success"]["mean"] == 0.5


@pytest.mark.parametrize("wave", [1, 7])
def test_greedy_figures_do_not_depend_on_how_many_play_at_once(
    wave: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play() -> tuple[Evaluation, list[list[tuple[int, ...]]]]:
        notes: list[list[tuple[int, ...]]] = []

        def rollout(*arguments: object) -> list[Episode]:
            episodes = original(*arguments)
            notes.extend([turn.response for turn in episode.turns] for episode in episodes)
            return episodes

        monkeypatch.setattr(evaluation, "rollout", rollout)
        return evaluate(policy, Worlds(ALF, max_turns=8), split="valid_seen", tasks=20), notes

    policy, original = untrained(), evaluation.rollout
    whole = play()
    monkeypatch.setattr(evaluation, "_WAVE", wave)
    assert play() == whole


def test_responses_are_cut_at_the_limit_of_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = evaluation.rollout

    def rollout(policy: ModelPolicy, *rest: object) -> list[Episode]:
        episodes = original(policy, *rest)
        seen.extend(len(turn.response) for episode in episodes for turn in episode.turns)
        return episodes

    monkeypatch.setattr(evaluation, "rollout", rollout)
    policy = untrained()
    policy.template.eos_id = policy.engine.eos_id = -1
    evaluate(policy, Worlds(ALF, max_turns=1), split="train", tasks=2)
    evaluate(policy, Worlds(ALF, max_turns=1), split="train", tasks=2, max_response=3)
    assert seen == [5, 5, 3, 3]


def test_the_first_tasks_of_a_panel_are_played_in_order() -> None:
    some = evaluate(RandomPolicy(0), Worlds(ALF, max_turns=2), split="valid_seen", tasks=5)
    more = evaluate(RandomPolicy(0), Worlds(ALF, max_turns=2), split="valid_seen", tasks=6)
    assert (len(some.won), len(more.won)) == (5, 6)
    assert some.panel != more.panel
    assert evaluate(ExpertPolicy(), Worlds(ALF), split="valid_seen", tasks=5).success.mean == 1


@pytest.mark.parametrize("tasks", [0, -1])
def test_an_evaluation_needs_a_task(tasks: int) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate(RandomPolicy(0), Worlds("test/KeyDoor-v0"), split="train", tasks=tasks)


def test_a_split_without_tasks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Worlds("test/KeyDoor-v0")
    monkeypatch.setattr(there.first, "tasks", lambda split=None: ())
    with pytest.raises(ConfigError, match="'train' holds no tasks"):
        evaluate(RandomPolicy(0), there, split="train")
