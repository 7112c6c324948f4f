"""Checkpoints: what is read back is what was written, or one is told."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from anchorgym.training.run.checkpoints import (
    Checkpoint,
    CheckpointError,
    Checkpoints,
    load_optimizer,
    load_parameters,
    optimizer_tensors,
    parameters_of,
)


def numbered(n: int, size: int = 8) -> Checkpoint:
    """A checkpoint that says three times which one it is."""
    return Checkpoint(
        {"n": n, "share": n / 3, "list": [n, None, "ä"]},
        {"model": {"w": torch.full((size,), n), "b": torch.rand(2)}, "empty": {}},
    )


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.Tanh(), nn.Linear(8, 3, bias=False))


def test_what_is_read_is_what_was_saved(tmp_path: Path) -> None:
    store, saved = Checkpoints(tmp_path / "checkpoints"), numbered(7)
    assert store.newest() is None
    store.save(saved)
    read = store.newest()
    assert read is not None
    assert read.state == saved.state
    assert read.tensors.keys() == saved.tensors.keys()
    for name, tensors in saved.tensors.items():
        assert read.tensors[name].keys() == tensors.keys()
        assert all(torch.equal(read.tensors[name][key], t) for key, t in tensors.items())


def test_the_last_ones_are_kept_and_hold_nothing_but_safetensors_and_json(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, keep=2)
    for n in range(12):
        store.save(numbered(n))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["00000011", "00000012"]
    files = {path.name for path in (tmp_path / "00000012").iterdir()}
    assert files == {"checkpoint.json", "model.safetensors", "empty.safetensors"}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (name, damage)
        for name in ("model.safetensors", "checkpoint.json")
        for damage in ("cut", "flipped", "gone")
    ],
)
def test_a_damaged_checkpoint_is_passed_over_and_removed(
    tmp_path: Path, name: str, damage: str
) -> None:
    store = Checkpoints(tmp_path)
    store.save(numbered(1))
    file = store.save(numbered(2)) / name
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


def test_where_no_checkpoint_is_whole_one_is_told_so(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    (store.save(numbered(1)) / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model\.safetensors was changed.*another folder"):
        store.newest()


def test_of_twenty_processes_killed_while_saving_none_leaves_an_unreadable_run(
    tmp_path: Path,
) -> None:
    rng, unreadable, torn = random.Random(0), 0, 0
    store = Checkpoints(tmp_path / "checkpoints")
    store.save(numbered(0, 200_000))
    for _ in range(20):
        saved, save = os.pipe()
        child = os.fork()
        if child == 0:
            for n in itertools.count(1):
                store.save(numbered(n, 200_000))
                os.write(save, b".")
        os.read(saved, 1)  # however slow the machine is, the next save has begun by now
        time.sleep(0.02 * rng.random())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(saved)
        os.close(save)
        torn += any(path.suffix == ".new" for path in store.folder.iterdir())
        read = store.newest()
        fits = read is not None and set(read.tensors["model"]["w"].tolist()) == {read.state["n"]}
        unreadable += not fits
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
    Checkpoints(tmp_path).save(Checkpoint({}, tensors))
    read = Checkpoints(tmp_path).newest()
    assert read is not None
    second = model(seed=1)
    load_parameters(second, read.tensors["model"])
    optimizer = make(second)
    load_optimizer(optimizer, read.tensors["optimizer"])
    steps(second, optimizer, range(3, 6))
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True)
    )


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(CheckpointError, match="another model"):
        load_parameters(model(), parameters_of(nn.Linear(4, 8)))
