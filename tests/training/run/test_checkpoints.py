"""Checkpoints: what is read back is what was written, or one is told."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from anchorgym.envs.durable import NEW
from anchorgym.training.learning.contract import LearnerStateError
from anchorgym.training.learning.tensors import (
    Tensors,
    load_optimizer,
    load_parameters,
    load_tensors,
    optimizer_tensors,
    parameters_of,
    save_tensors,
)
from anchorgym.training.run.checkpoints import (
    Checkpoint,
    CheckpointError,
    CheckpointFormatError,
    Checkpoints,
    read_checkpoint,
)


class Part:
    """Tensors that write themselves."""

    def __init__(self, **parts: Tensors) -> None:
        self.parts = parts

    def save(self, folder: Path) -> None:
        folder.mkdir()
        save_tensors(folder, **self.parts)


def numbered(n: int, size: int = 8) -> tuple[dict[str, Any], dict[str, Part]]:
    """A checkpoint that says three times which one it is."""
    part = Part(model={"w": torch.full((size,), n), "b": torch.rand(2)}, empty={})
    return {"n": n, "share": n / 3, "list": [n, None, "ä"]}, {"learner": part}


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.Tanh(), nn.Linear(8, 3, bias=False))


def test_what_is_read_is_what_was_saved(tmp_path: Path) -> None:
    store, (state, parts) = Checkpoints(tmp_path / "checkpoints"), numbered(7)
    assert store.newest() is None
    store.save(state, parts)
    read = store.newest()
    assert read is not None
    assert read.state == state
    assert read.parts == {"learner"}
    for name, tensors in parts["learner"].parts.items():
        found = load_tensors(read.part("learner"), name)
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[key], t) for key, t in tensors.items())
    with pytest.raises(CheckpointError, match="holds learner, not 'cloning'"):
        read.part("cloning")


def test_the_last_ones_are_kept_and_hold_nothing_but_safetensors_and_json(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, keep=2)
    for n in range(12):
        store.save(*numbered(n))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["00000011", "00000012"]
    last = tmp_path / "00000012"
    files = {path.relative_to(last).as_posix() for path in last.rglob("*") if path.is_file()}
    parts = {f"learner/{name}.safetensors" for name in ("model", "empty")}
    assert files == {"checkpoint.json", *parts}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (name, damage)
        for name in ("learner/model.safetensors", "checkpoint.json")
        for damage in ("cut", "flipped", "gone")
    ],
)
def test_a_damaged_checkpoint_is_passed_over_and_removed(
    tmp_path: Path, name: str, damage: str
) -> None:
    store = Checkpoints(tmp_path)
    store.save(*numbered(1))
    file = store.save(*numbered(2)) / name
    data = bytearray(file.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(bytes(data) if damage == "flipped" else bytes(data[: len(data) // 2]))
    read = store.newest()
    assert read is not None
    assert read.state["n"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"]


@pytest.mark.parametrize(("before", "after"), [('"n": 2', '"n": 3'), ("0.6666", "0.6667")])
def test_a_digit_of_the_state_that_was_changed_is_damage(
    tmp_path: Path, before: str, after: str
) -> None:
    """The file is as good JSON as it was, and of the same length."""
    store = Checkpoints(tmp_path)
    store.save(*numbered(1))
    state = store.save(*numbered(2)) / "checkpoint.json"
    text = state.read_text(encoding="utf-8")
    assert text.count(before) == 1
    state.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"checkpoint\.json was changed"):
        read_checkpoint(state.parent)
    read = store.newest()
    assert read is not None
    assert read.state["n"] == 1


def test_where_no_checkpoint_is_whole_one_is_told_so(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    (store.save(*numbered(1)) / "learner/model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model\.safetensors was changed.*another folder"):
        store.newest()


def weights_of(checkpoint: Checkpoint) -> set[float]:
    return set(load_tensors(checkpoint.part("learner"), "model")["w"].tolist())


def test_checkpoints_of_another_version_are_refused_with_what_to_do(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.save(*numbered(1))
    state = store.save(*numbered(2)) / "checkpoint.json"
    body = json.loads(state.read_text())
    del body["sha256"], body["anchorgym"], body["parts"]
    body = {**body, "format": 1}
    digest = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    state.write_text(json.dumps({**body, "sha256": digest}))
    with pytest.raises(CheckpointFormatError, match=r"format 1 of .* finish the run"):
        store.newest()
    assert state.exists()  # nothing of it is removed


def kill_while_saving(folder: str) -> None:
    """Kill twenty processes while they save; print how many left torn and unreadable folders.

    It is called in a process that computes with one thread: one that is forked from a process with
    several waits for ever for threads that it does not have.
    """
    rng, unreadable, torn = random.Random(0), 0, 0
    store = Checkpoints(Path(folder))
    store.save(*numbered(0, 200_000))
    for _ in range(20):
        saved, save = os.pipe()
        child = os.fork()
        if child == 0:
            for n in itertools.count(1):
                store.save(*numbered(n, 200_000))
                os.write(save, b".")
        os.close(save)
        os.read(saved, 1)  # however slow the machine is, the next save has begun by now
        time.sleep(0.02 * rng.random())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(saved)
        torn += any(path.name.endswith(NEW) for path in store.folder.iterdir())
        read = store.newest()
        fits = read is not None and weights_of(read) == {read.state["n"]}
        unreadable += not fits
    print(torn, unreadable)


def test_of_twenty_processes_killed_while_saving_none_leaves_an_unreadable_run(
    tmp_path: Path,
) -> None:
    script = (
        f"import runpy; names = runpy.run_path({__file__!r}); "
        f"names['kill_while_saving']({str(tmp_path / 'checkpoints')!r})"
    )
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )
    torn, unreadable = map(int, done.stdout.split())
    assert unreadable == 0
    assert torn > 0, "no process was killed while it was saving: this test shows nothing"


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_an_optimizer_goes_on_to_the_last_bit(tmp_path: Path, kind: str) -> None:
    def steps(net: nn.Module, optimizer: torch.optim.Optimizer, numbers: range) -> None:
        for n in numbers:
            optimizer.zero_grad()
            inputs = torch.randn(5, 4, generator=torch.Generator().manual_seed(n))
            net(inputs).square().mean().backward()
            optimizer.step()

    def make(net: nn.Module) -> torch.optim.Optimizer:
        if kind == "muon":
            return torch.optim.Muon(net.parameters(), 0.02, weight_decay=0.05)
        return torch.optim.AdamW(net.parameters(), 0.01, fused=True)

    whole = model()
    steps(whole, make(whole), range(6))
    first = model()
    optimizer = make(first)
    steps(first, optimizer, range(3))
    tensors = {"model": parameters_of(first), "optimizer": optimizer_tensors(optimizer)}
    Checkpoints(tmp_path).save({}, {"learner": Part(**tensors)})
    read = Checkpoints(tmp_path).newest()
    assert read is not None
    second = model(seed=1)
    load_parameters(parameters_of(second), load_tensors(read.part("learner"), "model"))
    optimizer = make(second)
    load_optimizer(optimizer, load_tensors(read.part("learner"), "optimizer"))
    steps(second, optimizer, range(3, 6))
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True)
    )


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(LearnerStateError, match="another model"):
        load_parameters(parameters_of(model()), parameters_of(nn.Linear(4, 8)))
