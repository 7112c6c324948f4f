"""Devices and data types of learners."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import nn

from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.envs.errors import AnchorgymError

DtypeName = Literal["float32", "bfloat16"]
_DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class DeviceError(AnchorgymError, ValueError):
    """A device that this machine does not have."""


def resolve_device(name: str) -> torch.device:
    """Return the device named `cpu`, `cuda`, `cuda:N`, `mps`, or `auto` for the best available.

    Raises:
        DeviceError: this machine has no such device; the message lists those that it has.
    """
    here = available_devices()
    if name == "auto":
        return torch.device(here[-1])
    if name == "cuda" and "cuda:0" in here:
        return torch.device("cuda:0")
    if name not in here:
        raise DeviceError(
            f"there is no device {name!r} on this machine, which has {', '.join(here)}: set "
            "learner.device to one of them, or to auto"
        )
    return torch.device(name)


def available_devices() -> tuple[str, ...]:
    """Return the devices of this machine; the last one is what `auto` selects."""
    graphics = [f"cuda:{n}" for n in reversed(range(torch.cuda.device_count()))]
    apple = ["mps"] if torch.backends.mps.is_available() else []
    return ("cpu", *apple, *graphics)


def resolve_dtype(name: DtypeName) -> torch.dtype:
    """Return the torch data type of a name."""
    return _DTYPES[name]


def place_policy(policy: ModelPolicy, name: str) -> None:
    """Move the weights of a policy to a device, in place.

    Raises:
        DeviceError: this machine has no such device, see `resolve_device`.
    """
    nn.Module.to(policy.model, resolve_device(name))


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Compute matrix products in `dtype` inside the block; weights keep their type."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype)
