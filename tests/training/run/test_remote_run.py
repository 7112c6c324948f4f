"""Runs whose responses a server writes."""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from fake_vllm import FakeVllm
from small_policies import small_policy

from anchorgym.agents.engines.remote.engine import RemoteEngine
from anchorgym.training.cli import main

WORLD = "test/Rooms-v0"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policies") / "start"
    small_policy(WORLD, tasks=30).save(folder)
    return folder


@pytest.fixture
def server(start: Path) -> Iterator[FakeVllm]:
    with FakeVllm(start) as server:
        yield server


def words(start: Path, out: Path, *engine: str, iterations: int = 2) -> list[str]:
    return [
        *("train", "--env", WORLD, "--policy", str(start), "--out", str(out)),
        *("--engine", *engine),
        *("--clone.updates", "2", "--clone.batch", "4"),
        *(
            "--rollout.iterations",
            str(iterations),
            "--rollout.tasks",
            "2",
            "--rollout.group-size",
            "4",
        ),
        *("--learner.learning-rate", "2e-3", "--checkpoint.seconds", "0"),
        *("--evaluation.every", "1", "--evaluation.tasks", "2"),
        *("--evaluation.validation-tasks", "2", "--evaluation.modes", '["greedy"]'),
    ]


def http(server: FakeVllm, *more: str) -> tuple[str, ...]:
    return ("http", "--engine.url", server.url, "--engine.patience-s", "0.3", *more)


def iterations(out: Path) -> list[int]:
    """The iterations of a finished run that were logged."""
    assert (out / "result.json").is_file()
    lines = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    return [line["iteration"] for line in lines if line["phase"] == "train"]


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Have the user interrupt a run once, after some polls."""
    polls, poll = itertools.count(1), RemoteEngine.poll

    def interrupted(engine: RemoteEngine, timeout: float | None = None) -> object:
        if next(polls) == at:
            raise KeyboardInterrupt
        return poll(engine, timeout)

    monkeypatch.setattr(RemoteEngine, "poll", interrupted)


def test_a_run_is_written_by_a_server_also_when_interrupted(
    start: Path,
    server: FakeVllm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupt(monkeypatch, 60)
    out = tmp_path / "interrupted"
    told = [*words(start, out, *http(server)), "--algorithm.exploration", "episodic"]
    assert main(told) == 130
    assert not (out / "result.json").exists()
    assert main(["train", "--resume", str(out)]) == 0
    assert iterations(out) == [1, 2]
    assert len(server.salts) >= 3  # of the clone and of two updates
    lines = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    updates = [line for line in lines if line["phase"] == "train" and line["rows"]]
    assert updates
    assert all(0 <= line["mismatch_kl"] < 1e-6 for line in updates)


@pytest.mark.slow
def test_a_run_goes_on_after_its_server_was_dead_for_too_long(
    start: Path,
    server: FakeVllm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    loads, load = 0, RemoteEngine.load_weights

    def dying(engine: RemoteEngine, *args: object) -> None:
        nonlocal loads
        loads += 1
        if loads == 2:
            server.die()
        load(engine, *args)  # type: ignore[arg-type]

    polls, poll = itertools.count(), RemoteEngine.poll

    def spoiled(engine: RemoteEngine, timeout: float | None = None) -> object:
        if next(polls) % 20 == 0:
            server.faults = ["nan"]
        return poll(engine, timeout)

    monkeypatch.setattr(RemoteEngine, "load_weights", dying)
    out = tmp_path / "run"
    assert main(words(start, out, *http(server))) == 2
    said = capsys.readouterr().err
    assert "cannot be reached" in said
    assert "engine.patience_s" in said
    server.start()
    monkeypatch.undo()
    monkeypatch.setattr(RemoteEngine, "poll", spoiled)
    assert main(["train", "--resume", str(out)]) == 0
    assert iterations(out) == [1, 2]
    lines = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    events = [line.get("engine_bad_answers", 0) for line in lines if line["phase"] == "train"]
    assert max(events) > 0


def test_a_run_goes_on_with_a_server_that_has_moved_and_its_token_is_in_no_file(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    interrupt(monkeypatch, 20)
    with FakeVllm(start, token="s3cret") as first:
        told = [*words(start, out, *http(first), iterations=0), "--engine.token", "s3cret"]
        assert main([*told, "--dry-run"]) == 0
        assert "s3cret" not in capsys.readouterr().out
        assert main(told) == 130
    with FakeVllm(start, token="0ther") as second:
        moved = ["train", "--resume", str(out), "--engine.url", second.url]
        assert main(moved) == 2
        assert "set engine.token" in capsys.readouterr().err
        assert main([*moved, "--engine.token", "0ther", "--engine.timeout-s", "30"]) == 0
    assert iterations(out) == []
    for path in out.rglob("*"):
        if path.is_file():
            assert b"s3cret" not in path.read_bytes()
            assert b"0ther" not in path.read_bytes()


def test_adapters_of_a_run_are_published_alone_also_when_interrupted(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeVllm(start, dev=False, rank=8) as server:
        out = tmp_path / "run"
        told = [*words(start, out, *http(server)), "--engine.adapters", "true"]
        told += ["--lora.rank", "4", "--engine.weights", str(tmp_path / "weights")]
        told += ["--algorithm.exploration", "episodic"]
        interrupt(monkeypatch, 60)
        assert main(told) == 130
        before = len(server.adapters.loaded)
        assert main(["train", "--resume", str(out)]) == 0
        assert iterations(out) == [1, 2]
        assert 3 <= before < len(server.adapters.loaded)
        writers = {name.partition("-")[0] for name in server.adapters.models}
        assert len(server.adapters.models) == len(writers)  # older versions are unloaded
        assert "/collective_rpc" not in server.calls
    lines = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    updates = [line for line in lines if line["phase"] == "train" and line["rows"]]
    assert updates
    assert all(0 <= line["mismatch_kl"] < 1e-6 for line in updates)
    assert not list((tmp_path / "weights").rglob("model.safetensors"))


def test_a_run_without_adapters_is_told_so(
    start: Path, server: FakeVllm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [*words(start, tmp_path / "run", *http(server)), "--engine.adapters", "true"]
    assert main(told) == 2
    assert "this model has none: set lora.rank" in capsys.readouterr().err


def test_an_engine_that_is_misspelt_or_lacks_its_address_is_named(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(start, tmp_path / "run", "htp")) == 2
    assert "Did you mean 'http'" in capsys.readouterr().err
    assert main(words(start, tmp_path / "run", "http")) == 2
    assert "engine.url: the address is missing" in capsys.readouterr().err
    if importlib.util.find_spec("vllm") is None:
        assert main(words(start, tmp_path / "run", "vllm")) == 2
        assert 'pip install "anchorgym[vllm]"' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_corrections_are_drawn_from_the_clone_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = "test/CandidKeyDoor-v0"
    small_policy(world, tasks=30).save(tmp_path / "start")
    with FakeVllm(tmp_path / "start") as server:
        given = [*("train", "--env", world, "--policy", str(tmp_path / "start"))]
        given += ["--out", str(tmp_path / "run"), "--engine", *http(server)]
        given += ["--clone.updates", "17", "--clone.batch", "4", "--rollout.iterations", "0"]
        given += ["--evaluation.tasks", "2", "--evaluation.modes", '["greedy"]']
        assert main(given) == 0
        versions = {int(label.rpartition("-")[2]) for label in server.salts}
    assert {16, 17} <= versions  # of a pool with corrections, and of the clone


def test_training_with_fixed_weights_is_refused_before_anything_is_made(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = ("http", "--engine.url", "http://127.0.0.1:1", "--engine.weights", "none")
    assert main([*words(start, tmp_path / "run", *engine), "--dry-run"]) == 2
    assert "its weights are fixed" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
