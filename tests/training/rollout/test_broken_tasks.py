"""A task that cannot be started is left out and named, and is not counted as lost."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import worlds

from anchorgym.agents import ExpertPolicy
from anchorgym.envs import make, panel_hash, register
from anchorgym.envs.core import ExpertKind
from anchorgym.envs.errors import CorruptGameError
from anchorgym.training import EnvPool, TrainConfig, evaluate
from anchorgym.training.cli import main
from anchorgym.training.evaluation.figures import Evaluation
from anchorgym.training.rollout.broken import BrokenTasks, _warn
from anchorgym.training.rollout.errors import BrokenTaskError
from anchorgym.training.rollout.group_sampler import GroupSampler
from anchorgym.training.rollout.types import Episode, Start, StopReason, Turn
from anchorgym.training.run.components import assemble

ENV = "test/SomeBroken-v0"
BROKEN = ("key west 0", "key here 1")


@register(ENV, max_turns=12)
class SomeBroken(worlds.GuidedKeyDoor):
    """A world of six tasks, two of which are damaged."""

    splits = ("train", "test")

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return [f"{key} {number}" for key in worlds.KEYS for number in range(2)]

    def start(self, task: str) -> str:
        if task in BROKEN:
            raise CorruptGameError(f"'{task}.z8' is damaged")
        return super().start(task[:-2])

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        return super().expert_action("full")


@pytest.fixture(autouse=True)
def warned() -> None:
    """Nothing was warned of yet."""
    _warn.cache_clear()


def test_an_evaluation_leaves_broken_tasks_out_and_names_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool: EnvPool[Any] = EnvPool.of(ENV)
    panel = pool.first.tasks()
    for samples in (1, 3):
        found = evaluate(ExpertPolicy(), pool, split="test", samples=samples)
        assert found.tasks == tuple(task for task in panel if task not in BROKEN)
        assert found.panel == panel_hash(found.tasks)
        assert found.success.mean == 1.0
        assert found.split_tasks == len(panel)
        assert set(found.broken) == set(BROKEN)
        assert "z8' is damaged" in found.broken[BROKEN[0]]
        assert f"{len(found.tasks)} of {len(panel)} tasks" in str(found)
        assert "2 tasks that could not be started are left out" in str(found)
        assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert f"the task '{BROKEN[0]}' cannot be started" in caplog.text


def test_sound_tasks_have_the_figures_that_they_would_have_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool: EnvPool[Any] = EnvPool.of(ENV)
    found = evaluate(ExpertPolicy(), pool, split="test")
    assert "broken" in found.to_json()
    monkeypatch.setattr(SomeBroken, "tasks", lambda self, split=None: list(found.tasks))
    alone = evaluate(ExpertPolicy(), pool, split="test")
    assert "broken" not in alone.to_json()
    assert replace(found, broken={}, split_tasks=4) == alone


def test_an_evaluation_of_broken_tasks_alone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SomeBroken, "tasks", lambda self, split=None: list(BROKEN))
    with pytest.raises(BrokenTaskError, match="is damaged"):
        evaluate(ExpertPolicy(), EnvPool.of(ENV), split="test")
    assert main(["evaluate", "expert", "--env", ENV, "--panel", "test"]) == 2


def test_what_is_drawn_in_place_of_a_broken_task_follows_from_the_generator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    panel = tuple("abcdef")

    def play(tasks: list[str]) -> tuple[list[str], float]:
        drawn = rng.random()
        for task in tasks:
            if task in "bd":
                raise BrokenTaskError(task, "damaged")
        return tasks, drawn

    seen = []
    shared = BrokenTasks()
    for broken in (BrokenTasks(), shared, shared):
        rng = random.Random(5)
        seen.append(broken.play("abcdb", panel, rng, play))
        seen[-1] = (*seen[-1], rng.random())
    assert seen[0] == seen[1] == seen[2]
    (tasks, _), out, _ = seen[0]
    assert out == {"b", "d"}
    assert (tasks[0], tasks[2]) == ("a", "c")
    assert set(tasks) <= set("acef")
    assert caplog.text.count("'b' cannot be started: damaged: it is left out") == 1
    with pytest.raises(BrokenTaskError):
        BrokenTasks().play("bd", "bd", random.Random(0), play)


def test_broken_tasks_are_drawn_again_within_their_iteration() -> None:
    def play(
        tasks: Sequence[str], first: int, rng: random.Random, play: Any
    ) -> list[list[Episode]]:
        for task in tasks:
            if task in "bd":
                raise BrokenTaskError(task, "damaged")
        starts = [Start(task, first + n, 0) for n, task in enumerate(tasks)]
        turn = Turn("", b"")
        return [[Episode(start, "", [turn], False, StopReason.TURNS)] for start in starts]

    def batch_of(episodes: Sequence[Episode]) -> SimpleNamespace:
        return SimpleNamespace(group=np.arange(len(episodes)))

    sampler = GroupSampler(
        SimpleNamespace(keep=lambda batch, state: np.full(len(batch.group), True)),  # type: ignore[arg-type]
        {},
        SimpleNamespace(play=play),  # type: ignore[arg-type]
        "abcdef",
        tasks=30,
        redraws=0,
        play=lambda starts: [],
        batch_of=batch_of,  # type: ignore[arg-type]
    )
    one, two = (sampler.take(random.Random(0)) for _ in range(2))
    assert one.broken == two.broken == {"b", "d"}
    tasks = [episode.start.task for episode in one.episodes]
    assert len(tasks) == 30
    assert set(tasks) == set("acef")
    assert tasks == [episode.start.task for episode in two.episodes]


@pytest.mark.slow
def test_a_job_goes_on_without_broken_tasks_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    options = {
        "--policy.hidden": 32,
        "--policy.layers": 1,
        "--policy.heads": 2,
        "--clone.updates": 8,
        "--clone.batch": 2,
        "--rollout.iterations": 3,
        "--rollout.tasks": 4,
        "--rollout.group_size": 2,
        "--evaluation.tasks": 6,
        "--checkpoint.seconds": 0,
    }
    job = ["train", ENV, "--out", str(run), *(str(w) for pair in options.items() for w in pair)]
    assert main(job) == 0
    steps = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    trained = [step for step in steps if step["phase"] == "train"]
    assert {step["episodes"] for step in trained} == {8}
    assert any(step.get("broken_tasks") for step in trained)
    result = json.loads((run / "result.json").read_text())
    assert set(result["after"]["greedy"]["broken"]) == set(BROKEN)
    assert result["after"]["greedy"]["split_tasks"] == 6
    assert len(result["after"]["greedy"]["tasks"]) == 4
    for task in BROKEN:
        assert caplog.text.count(f"the task {task!r} cannot be started") == 1


@register("test/MostlyBroken-v0", max_turns=12)
class MostlyBroken(SomeBroken):
    """A world of six tasks, of which two can be started."""

    def start(self, task: str) -> str:
        if task not in ("key east 1", "key here 0"):
            raise CorruptGameError(f"'{task}.z8' is damaged")
        return super().start(task)


def test_hints_are_the_experts_of_a_task_that_can_be_started() -> None:
    with pytest.raises(CorruptGameError):
        make("test/MostlyBroken-v0").reset(seed=0)
    given = {"env": "test/MostlyBroken-v0", "rollout": {"hints": "masked"}}
    assert assemble(TrainConfig.parse(given)).expert
