"""What a run writes down and shows."""

from __future__ import annotations

import io
import json
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import worlds  # noqa: F401  (registers the test worlds)
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from anchorgym.training import TrainConfig, train
from anchorgym.training.imitation.cloning import CloneStep, Cloning
from anchorgym.training.inspect.plotting.curve import draw_curve
from anchorgym.training.run import display as progress
from anchorgym.training.run import metrics as metrics_module
from anchorgym.training.run.display import Display
from anchorgym.training.run.metrics import MetricsLog


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]


def test_metrics_are_there_as_soon_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for iteration in range(3):
        log.write("train", iteration=iteration, success=0.5)
        assert [record["iteration"] for record in read(path)] == list(range(iteration + 1))
    log.close()
    first = read(path)[0]
    assert first["phase"] == "train"
    assert set(first) == {"phase", "seconds", "iteration", "success"}


def test_metrics_are_json_whatever_is_measured(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.write(
        "train",
        loss=np.float32("nan"),
        norm=float("inf"),
        steps=np.int64(3),
        each=np.array([0.5, -np.inf]),
        inner={"pair": (1, "two\nlines\u2028")},
    )
    log.close()
    (record,) = read(tmp_path / "metrics.jsonl")
    assert (record["loss"], record["norm"], record["steps"]) == (None, None, 3)
    assert record["each"] == [0.5, None]
    assert record["inner"] == {"pair": [1, "two\nlines\u2028"]}


def test_a_run_that_goes_on_keeps_what_was_written(tmp_path: Path) -> None:
    for name in ("first", "second"):
        log = MetricsLog(tmp_path / "metrics.jsonl")
        log.write(name)
        log.close()
    assert [record["phase"] for record in read(tmp_path / "metrics.jsonl")] == ["first", "second"]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read TensorBoard's event files back: tag, and its (step, value)."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def test_every_number_of_the_metrics_is_a_scalar_of_tensorboard(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", tensorboard=tmp_path / "tensorboard")
    log.write("clone", update=3, action_loss=0.5, tokens=40)
    log.write("train", iteration=2, success=0.25, loss=float("nan"))
    log.write("after", mode="greedy", split="train", success={"mean": 0.5, "low": 0.25})
    log.close()
    found = scalars(tmp_path / "tensorboard")
    assert found["clone/action_loss"] == [(3, 0.5)]
    assert found["clone/tokens"] == [(3, 40.0)]
    assert found["train/success"] == [(2, 0.25)]
    assert found["after/greedy/success/mean"] == [(0, 0.5)]
    assert "train/loss" not in found
    assert not any(tag.endswith("split") for tag in found)


def test_what_lies_beyond_the_point_where_a_run_goes_on_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [50.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time)
    monkeypatch.setattr(metrics_module, "time", clock)
    metrics, board = tmp_path / "metrics.jsonl", tmp_path / "tensorboard"
    log = MetricsLog(metrics, tensorboard=board)
    for iteration in (1, 2):
        log.write("train", iteration=iteration, success=iteration / 4)
    now[0] += 3.0
    kept, elapsed = metrics.stat().st_size, log.elapsed
    for iteration in (3, 4):
        log.write("train", iteration=iteration, success=0.0)
    log.close()
    os.truncate(metrics, kept)
    log = MetricsLog(metrics, elapsed=100.0, tensorboard=board)
    now[0] += 0.5
    log.write("train", iteration=3, success=0.75)
    log.close()
    values = [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert [(r["iteration"], r["success"]) for r in read(metrics)] == values
    assert scalars(board)["train/success"] == values
    assert elapsed == 3.0
    assert [record["seconds"] for record in read(metrics)] == [0.0, 0.0, 100.5]


def test_an_interrupted_run_leaves_its_metrics_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(cloning: Cloning) -> Iterator[CloneStep]:
        yield CloneStep(1, 2.0, 3.0, 40)
        yield CloneStep(2, 1.0, 2.0, 40)
        raise KeyboardInterrupt

    monkeypatch.setattr(Cloning, "pool", interrupted)
    config = TrainConfig.parse(
        {
            "env": "test/KeyDoor-v0",
            "policy": {"hidden": 16, "layers": 1, "heads": 2, "vocabulary_tasks": 3},
        }
    )
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run")
    records = read(tmp_path / "run" / "metrics.jsonl")
    assert [record["update"] for record in records if record["phase"] == "clone"] == [1, 2]


def plain() -> tuple[io.StringIO, Display]:
    out = io.StringIO()
    return out, Display(Console(file=out, width=200))


def test_without_a_terminal_a_phase_is_a_line_at_its_end() -> None:
    out, display = plain()
    with display.phase("clone", 3) as phase:
        for step in range(3):
            assert out.getvalue() == ""
            phase.step(f"loss [{step}]")
    assert out.getvalue().splitlines() == ["clone      3/3  loss [2]"]


def test_without_a_terminal_long_phases_say_how_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, display = plain()
    now = iter([0.0, 19.0, 21.0, 22.0, 42.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with display.phase("clone", 9) as phase:
        for _ in range(4):
            phase.step()
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["2/9", "4/9"]


def test_on_a_terminal_progress_is_drawn() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, force_terminal=True, width=120))
    with display.phase("clone", 2) as phase:
        phase.step("half")
        phase.step("done")
    assert "2/2" in out.getvalue()


def test_without_a_console_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    display.say("hello")
    with display.phase("clone", 1) as phase:
        phase.step("done")
    assert capsys.readouterr() == ("", "")


CLONE = [
    {"phase": "clone", "update": n, "action_loss": 1 / n, "observation_loss": 2 / n}
    for n in (1, 2, 3)
]
TRAIN = [{"phase": "train", "iteration": n, "success": n / 4} for n in (1, 2, 3)]
POINTS = [
    {
        "phase": "validate",
        "iteration": n,
        "split": "valid",
        "success": {"mean": 0.5, "low": 0.4, "high": 0.6},
    }
    for n in (0, 3)
]


@pytest.mark.parametrize(
    "records",
    [[*CLONE, *TRAIN, *POINTS], [*TRAIN, *POINTS], CLONE, TRAIN[:1], []],
    ids=["all", "no cloning", "no iterations", "one iteration", "nothing"],
)
def test_a_curve_is_drawn_of_whatever_a_run_did(records: list[Any], tmp_path: Path) -> None:
    metrics, picture = tmp_path / "metrics.jsonl", tmp_path / "curve.png"
    metrics.write_text("".join(json.dumps(record) + "\n" for record in records))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_curve(metrics, picture, "a run")
    assert picture.read_bytes().startswith(b"\x89PNG")
