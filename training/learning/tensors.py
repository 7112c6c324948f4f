"""Conversion of weights and optimizer states to named tensors, and their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anchorgym.envs.errors import reason_of
from anchorgym.training.learning.contract import LearnerStateError

Tensors = dict[str, Tensor]

_ENDING = ".safetensors"


def parameters_of(model: nn.Module) -> Tensors:
    """Return a model's parameters by name, shared parameters once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@torch.no_grad()
def load_parameters(named: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Set parameters to tensors of the same names, in place.

    Raises:
        LearnerStateError: the tensors are of another model.
    """
    shapes = {name: parameter.shape for name, parameter in named.items()}
    if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
        raise LearnerStateError(
            "the saved weights are those of another model: load them into the one that they were "
            "saved from"
        )
    for name, parameter in named.items():
        parameter.copy_(tensors[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Return an optimizer's state of each parameter, as `index.name`."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, of in state.items() for key, value in of.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the tensors of `optimizer_tensors` in an optimizer with the same settings."""
    state: dict[int, Tensors] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def save_tensors(folder: Path, **parts: Mapping[str, Tensor]) -> None:
    """Write `PART.safetensors` for each part into a folder."""
    for name, tensors in parts.items():
        plain = {key: tensor.detach().contiguous() for key, tensor in tensors.items()}
        save_file(plain, folder / (name + _ENDING))


def load_tensors(folder: Path, part: str) -> Tensors:
    """Load a part that `save_tensors` has written.

    Raises:
        LearnerStateError: the part is missing or damaged.
    """
    try:
        return load_file(folder / (part + _ENDING))
    except (OSError, ValueError, RuntimeError) as error:
        raise unreadable(folder, error) from error
    except Exception as error:  # safetensors' own class derives from Exception alone
        raise unreadable(folder, error) from error


def unreadable(folder: Path, error: Exception) -> LearnerStateError:
    """Return the error for a folder without a whole state of a learner."""
    return LearnerStateError(
        f"{folder} holds no whole state of this learner ({reason_of(error)}): give a folder that "
        "its `save` has written"
    )
