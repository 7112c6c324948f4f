"""Devices and data types of language models: where a policy's weights lie, and in which precision.

Engine, learner and cloning all follow the model: they compute on its device, in its data type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from anchorgym.agents.engines.contract import Capabilities, Engine
from anchorgym.agents.engines.factories import EngineFactory, ServedModel, engine_factory
from anchorgym.envs.errors import AnchorgymError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DtypeName = Literal["auto", "float32", "bfloat16"]
SAVED_DTYPE = "anchorgym_saved_dtype"
"""Attribute of a loaded model: the data type that its weights were saved in."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class DeviceError(AnchorgymError, ValueError):
    """A device that this machine does not have."""


def available_devices() -> tuple[str, ...]:
    """Return the devices of this machine, the first GPU last.

    Those of Apple (`mps`) are not among them: they have no float64, in which tokens are drawn.
    """
    graphics = [f"cuda:{n}" for n in reversed(range(torch.cuda.device_count()))]
    return ("cpu", *graphics)


def resolve_device(name: str) -> torch.device:
    """Return the device named `cpu`, `cuda`, `cuda:N`, or `auto` for the first GPU or else the CPU.

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
            "--device to one of them, or to auto"
        )
    return torch.device(name)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16; a CPU that has to emulate it is 8 times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def named_dtype(name: DtypeName, model: nn.Module) -> torch.dtype:
    """Return a data type by its name; `auto` is the one that a model's weights were saved in."""
    if name != "auto":
        return _DTYPES[name]
    dtype: torch.dtype = getattr(model, SAVED_DTYPE, torch.float32)
    return dtype


def resolve_dtype(name: DtypeName, saved: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the data type of a model's weights on a device.

    `auto` is the one that they were saved in, if the device computes in it: bfloat16 for most
    pretrained models, float32 for policies that are built from nothing.
    """
    if name != "auto":
        return _DTYPES[name]
    if saved == torch.float32 or not has_fast_bfloat16(device):
        return torch.float32
    return torch.bfloat16


def place(model: PreTrainedModel, device: str, dtype: DtypeName) -> None:
    """Move the weights of a model to a device and a data type, in place.

    Tables that are no weights, such as the frequencies of rotary embeddings, keep their precision,
    as they do where a model is loaded in a data type.

    Raises:
        DeviceError: this machine has no such device, see `resolve_device`.
    """
    where = resolve_device(device)
    kept = resolve_dtype(dtype, named_dtype("auto", model), where)
    for weight in model.parameters():
        weight.data = weight.data.to(where, kept)
    nn.Module.to(model, where)


@dataclass(frozen=True, slots=True)
class PlacedFactory:
    """A factory of engines whose models are placed first.

    Args:
        factory: factory that makes the engines.
        device: name of the device, see `resolve_device`.
        dtype: name of the data type, see `resolve_dtype`.
    """

    factory: EngineFactory
    device: str = "auto"
    dtype: DtypeName = "auto"

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the engines beyond sampling."""
        return self.factory.capabilities

    def make(self, served: ServedModel) -> Engine:
        """Place a model, and return an engine that samples from it."""
        place(served.model, self.device, self.dtype)
        return self.factory.make(served)


def placed_engines(
    name: str = "torch", *, device: str = "auto", dtype: DtypeName = "auto", **options: Any
) -> PlacedFactory:
    """Return the factory of an engine with its options, and with a place for the models.

    `load_policy(folder, engine=placed_engines(device="cuda"))` loads a policy onto a GPU.

    Raises:
        DeviceError: this machine has no such device.
        UnknownEngineError: there is no engine of that name.
        PluginError: the module cannot be imported, or does not define the class.
        EngineOptionError: the engine does not take an option, or not that value.
    """
    resolve_device(device)
    return PlacedFactory(engine_factory(name, **options), device, dtype)


def place_of(engine: EngineFactory | None) -> tuple[str, DtypeName]:
    """Return the names of device and data type that an engine's models are placed in."""
    if isinstance(engine, PlacedFactory):
        return engine.device, engine.dtype
    return "cpu", "float32"
