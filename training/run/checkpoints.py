"""Checkpoints: the whole state of a run as safetensors and JSON, written all or nothing.

A checkpoint is a folder `RUN/checkpoints/NUMBER`. It comes into being by a rename, after all that
is in it has reached the disk, so a process that is killed leaves the checkpoints before. Its JSON
holds the SHA-256 of every other file and of itself: what was damaged since is not taken for whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.config.durable import remove_leftovers, whole_folder

FORMAT = 1
_STATE = "checkpoint.json"
_ENDING = ".safetensors"

Tensors = dict[str, Tensor]


class CheckpointError(AnchorgymError, ValueError):
    """Checkpoints that cannot be read, or that are of something else."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run goes on from."""

    state: dict[str, Any]
    """JSON values."""
    tensors: dict[str, Tensors]
    """By the name of their file, without its ending."""


class Checkpoints:
    """The checkpoints of a run, of which the last few are kept.

    Args:
        folder: that holds them; made when the first is saved.
        keep: so many.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self._keep = keep

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint and remove those that are too old; return its folder."""
        names = self._names()
        path = self.folder / f"{int(names[-1]) + 1 if names else 1:08}"
        with whole_folder(path) as fresh:
            for name, tensors in checkpoint.tensors.items():
                save_file({key: _plain(t) for key, t in tensors.items()}, fresh / (name + _ENDING))
            body = {
                "format": FORMAT,
                "state": checkpoint.state,
                "files": {file.name: _file_hash(file) for file in sorted(fresh.iterdir())},
            }
            text = json.dumps({**body, "sha256": _body_hash(body)}, allow_nan=False)
            (fresh / _STATE).write_text(text + "\n", encoding="utf-8")
        for name in self._names()[: -self._keep]:
            shutil.rmtree(self.folder / name)
        return path

    def newest(self) -> Checkpoint | None:
        """Read the newest checkpoint that is whole, if one was ever saved.

        What cannot be gone on from is removed: half-written folders, and damaged checkpoints
        newer than the one returned.

        Raises:
            CheckpointError: there are checkpoints, and every one is damaged.
        """
        remove_leftovers(self.folder)
        names = self._names()
        problems = []
        for name in reversed(names):
            try:
                checkpoint = read_checkpoint(self.folder / name)
            except CheckpointError as error:
                problems.append(error)
                continue
            for damaged in names[names.index(name) + 1 :]:
                shutil.rmtree(self.folder / damaged)
            return checkpoint
        if problems:
            raise CheckpointError(
                f"no checkpoint in {self.folder} is whole ({problems[0]}): begin the run again in "
                "another folder"
            )
        return None

    def _names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.name.isdecimal())


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        CheckpointError: it is not whole.
    """
    try:
        body = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        digest = body.pop("sha256")
        if body["format"] != FORMAT:
            raise CheckpointError(f"{folder} has format {body['format']}, not {FORMAT}")
        if digest != _body_hash(body):
            raise CheckpointError(f"{folder / _STATE} was changed after it was written")
        for name, expected in body["files"].items():
            if _file_hash(folder / name) != expected:
                raise CheckpointError(f"{folder / name} was changed after it was written")
        tensors = {
            name.removesuffix(_ENDING): load_file(folder / name) for name in sorted(body["files"])
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{folder} is damaged: {error!r}") from error
    return Checkpoint(body["state"], tensors)


def parameters_of(model: nn.Module) -> Tensors:
    """Return a model's parameters by name, shared ones once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@torch.no_grad()
def load_parameters(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a model's parameters the values that `parameters_of` returned, in place.

    Raises:
        CheckpointError: they are of another model.
    """
    named = dict(model.named_parameters())
    shapes = {name: parameter.shape for name, parameter in named.items()}
    if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
        raise CheckpointError("the checkpoint's weights are those of another model")
    for name, parameter in named.items():
        parameter.copy_(tensors[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Return what an optimizer remembers of each parameter, as `index.name`."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, of in state.items() for key, value in of.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer made with the same settings what `optimizer_tensors` returned."""
    state: dict[int, Tensors] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _body_hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()
