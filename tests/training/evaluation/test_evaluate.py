"""Evaluations: figures that can be trusted and compared."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from small_policies import small_policy

from anchorgym.agents import ExpertPolicy, ModelPolicy, RandomPolicy, Sampling, TorchEngine
from anchorgym.training import (
    ConfigError,
    EnvPool,
    Episode,
    Evaluation,
    PanelError,
    Start,
    Turn,
    compare,
    evaluate,
    paired_difference,
    rollout,
)
from anchorgym.training.evaluation.evaluate import summarise
from anchorgym.training.evaluation.figures import as_text

ALF = "anchorgym/ALFWorld-v0"


def played(won: str, kind: str = "", valid: bool = True) -> list[Episode]:
    """Episodes of two turns, one a letter: w is won."""
    turn = Turn("", b"", (), (), (), "", valid=valid)
    return [Episode(Start(f"{kind} {i}"), kind, [turn, turn], w == "w") for i, w in enumerate(won)]


def figures(won: str) -> Evaluation:
    return summarise(played(won), "valid", "the panel", 0.0)


def untrained() -> ModelPolicy:
    return small_policy(ALF, max_response=5)


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

        def note(episodes: Iterable[Episode]) -> None:
            notes.extend([turn.response for turn in episode.turns] for episode in episodes)

        envs = EnvPool.of(ALF, max_turns=8)
        return evaluate(policy, envs, split="valid_seen", tasks=20, observe=note), notes

    policy = untrained()
    whole = play()
    monkeypatch.setattr("anchorgym.training.evaluation.evaluate._WAVE", wave)
    assert play() == whole


def test_responses_are_cut_at_the_limit_of_the_policy() -> None:
    seen: list[int] = []

    def note(episodes: Iterable[Episode]) -> None:
        seen.extend(len(turn.response) for episode in episodes for turn in episode.turns)

    policy = untrained()
    assert isinstance(policy.engine, TorchEngine)
    policy.template.eos_id, policy.engine.eos_ids = -1, ()
    evaluate(policy, EnvPool.of(ALF, max_turns=1), split="train", tasks=2, observe=note)
    evaluate(
        policy,
        EnvPool.of(ALF, max_turns=1),
        split="train",
        tasks=2,
        max_response=3,
        observe=note,
    )
    assert seen == [5, 5, 3, 3]


def test_the_first_tasks_of_a_panel_are_played_in_order() -> None:
    some = evaluate(RandomPolicy(0), EnvPool.of(ALF, max_turns=2), split="valid_seen", tasks=5)
    more = evaluate(RandomPolicy(0), EnvPool.of(ALF, max_turns=2), split="valid_seen", tasks=6)
    assert (len(some.won), len(more.won)) == (5, 6)
    assert some.panel != more.panel
    assert evaluate(ExpertPolicy(), EnvPool.of(ALF), split="valid_seen", tasks=5).success.mean == 1


@pytest.mark.parametrize("tasks", [0, -1])
def test_an_evaluation_needs_a_task(tasks: int) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate(RandomPolicy(0), EnvPool.of("test/KeyDoor-v0"), split="train", tasks=tasks)


def test_a_split_without_tasks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = EnvPool.of("test/KeyDoor-v0")
    monkeypatch.setattr(there.first, "tasks", lambda split=None: ())
    with pytest.raises(ConfigError, match="'train' holds no tasks"):
        evaluate(RandomPolicy(0), there, split="train")


def test_samples_are_counted_by_task() -> None:
    episodes = [*played("wwll", "put"), *played("llww", "clean"), *played("wwww", "heat")]
    found = summarise(episodes, "valid", "the panel", 1.0, samples=4)
    assert found.task_shares.tolist() == [0.5, 0.5, 1.0]
    assert found.by_type == {"clean": (2, 4), "heat": (4, 4), "put": (2, 4)}
    assert found.success.mean == pytest.approx(2 / 3)
    assert {k: round(v.mean, 3) for k, v in found.pass_at.items()} == {1: 0.667, 2: 0.889, 4: 1.0}
    assert {k: round(v.mean, 3) for k, v in found.pass_all.items()} == {
        1: 0.667,
        2: 0.444,
        4: 0.333,
    }
    assert (found.turns_won, found.stops) == (2.0, {"": 12})


def test_the_worst_type_is_named_and_printed() -> None:
    found = summarise([*played("wwl", "put"), *played("lwl", "clean")], "valid", "abc", 0.0)
    assert found.worst == "clean"
    printed = str(found)
    for text in ("valid: 6 tasks", "50.0 [18.8, 81.2]", "clean", "worst type", "panel abc"):
        assert text in printed
    assert figures("wl").worst is None, "where there is one type only"


def test_figures_come_back_from_json() -> None:
    found = summarise([*played("wl", "put"), *played("ll", "clean")], "valid", "p", 1.0, samples=2)
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_comparison_counts_the_tasks_that_only_one_wins() -> None:
    kinds = [*played("wwwww", "put"), *played("wl", "clean")], [*played("lllww", "put")]
    one = summarise(kinds[0], "valid", "p", 0.0)
    other = summarise([*kinds[1], *played("ww", "clean")], "valid", "p", 0.0)
    found = compare(one, other)
    assert (found.better, found.worse, found.tasks) == (3, 1, 7)
    assert found.p == pytest.approx(2 * 5 / 16)
    assert found.difference.mean == pytest.approx(2 / 7)
    assert found.by_type["put"].mean == pytest.approx(3 / 5)
    assert found.by_type["clean"].mean == -0.5
    assert compare(other, one).difference.mean == -found.difference.mean


def test_only_figures_of_one_panel_in_one_world_are_compared() -> None:
    one = replace(figures("wl"), env="test/KeyDoor-v0")
    for other in (replace(one, panel="another"), replace(one, env="test/Rooms-v0"), figures("wlw")):
        with pytest.raises(PanelError):
            compare(one, other)
    assert compare(one, one).difference.mean == 0


def test_a_game_that_breaks_between_two_evaluations_is_left_out_of_both() -> None:
    """It broke after the first: the second knows nothing of it, and has another panel."""
    before, after = figures("wlwl"), figures("llw")
    before = replace(before, tasks=("a", "b", "c", "d"))
    after = replace(after, panel="of three", tasks=("a", "c", "d"), broken={"b": "damaged"})
    found = compare(after, before)
    assert found.tasks == 3
    assert found.difference.mean == pytest.approx((-1 - 1 + 1) / 3)
    assert compare(before, after).difference.mean == -found.difference.mean
    with pytest.raises(PanelError):
        compare(replace(after, tasks=("a", "c", "e")), before)
    with pytest.raises(PanelError):  # nothing is in common
        compare(replace(after, broken=dict.fromkeys("bacd", "damaged")), before)


def test_a_type_that_broke_between_two_evaluations_has_figures_and_no_gain() -> None:
    names, kinds = ("a", "b", "c"), ("put", "put", "clean")
    before = summarise([*played("ww", "put"), *played("l", "clean")], "valid", "p", 0.0)
    before = replace(before, tasks=names, task_types=kinds)
    after = summarise(played("wl", "put"), "valid", "q", 0.0, broken={"c": "damaged"})
    after = replace(after, tasks=names[:2])
    assert compare(before, after).by_type.keys() == {"put"}
    shown = as_text([("before", before), ("after", after)], compare(before, after))
    assert "clean" in shown


@pytest.fixture(scope="module")
def walker() -> ModelPolicy:
    return small_policy("test/Rooms-v0", tasks=6)


def test_sampled_play_depends_on_the_seed_alone(walker: ModelPolicy) -> None:
    def play(seed: int, samples: int = 2) -> tuple[Evaluation, list[tuple[int, ...]]]:
        written: list[tuple[int, ...]] = []
        found = evaluate(
            walker,
            EnvPool.of("test/Rooms-v0", max_turns=4),
            split="train",
            temperature=1.0,
            samples=samples,
            seed=seed,
            observe=lambda done: written.extend(turn.response for e in done for turn in e.turns),
        )
        return found, written

    figures, written = play(1)
    assert play(1) == (figures, written)
    assert play(2)[1] != written
    assert play(1, samples=1)[1] == written[:24], "more samples begin with the episodes of fewer"
    assert written[:24] != written[24:]


def test_an_evaluation_leaves_the_noise_of_training_alone(walker: ModelPolicy) -> None:
    def noise(between: bool) -> list[tuple[int, ...]]:
        there = EnvPool.of("test/Rooms-v0", max_turns=4)
        if between:
            evaluate(walker, there, split="train", temperature=1.0)
        (episode,) = rollout(walker, there, [Start("room 0")], Sampling(4, 1.0))
        return [turn.response for turn in episode.turns]

    assert noise(True) == noise(False)


def test_worlds_draw_the_same_in_a_part_of_the_panel() -> None:
    seen: dict[tuple[str, int], set[int]] = defaultdict(set)

    def observe(episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            number = sum(task == episode.start.task for task in order)
            order.append(episode.start.task)
            seen[episode.start.task, number].add(episode.start.seed)

    for tasks in (2, 4, 6):
        order: list[str] = []
        evaluate(
            RandomPolicy(0), "test/Rooms-v0", split="train", tasks=tasks, samples=2, observe=observe
        )
    assert len(seen) == 12
    assert all(len(seeds) == 1 for seeds in seen.values())
    assert len(set.union(*seen.values())) == 12, "each episode has chance of its own"


def test_an_evaluation_plays_a_task_at_least_once() -> None:
    with pytest.raises(ConfigError, match="samples=0"):
        evaluate(RandomPolicy(0), "test/KeyDoor-v0", split="train", samples=0)
