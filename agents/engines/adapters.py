"""Low-rank adapters (LoRA) in a model's layers, and the plain weights that they amount to.

An adapted layer computes

    y = W x + scaling * B (A x)

with the weight W of the base model, which stays as it is, and the trained matrices A
(rank, n_inputs) and B (n_outputs, rank). The layers are peft's, which is imported only where
adapters are made: here they are known by their parts.

Source: Hu et al. (2021), arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

NAME = "default"
"""Name of the one adapter that a layer has."""
_BASE = ".base_layer."


def adapted_layers(model: nn.Module) -> dict[str, Any]:
    """Return the layers of a model that have an adapter, by name."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if hasattr(layer, "base_layer") and hasattr(layer, "lora_A")
    }


def has_adapters(model: nn.Module) -> bool:
    """Whether some layers of a model have an adapter."""
    return bool(adapted_layers(model))


def adapter_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the matrices A and B of a model's adapters, by parameter name."""
    weights: dict[str, nn.Parameter] = {}
    for name, layer in adapted_layers(model).items():
        for part in ("lora_A", "lora_B"):
            weights[f"{name}.{part}.{NAME}.weight"] = getattr(layer, part)[NAME].weight
    return weights


def plain_name(name: str) -> str:
    """Return the name that a model without adapters has for a parameter that is no adapter's."""
    return name.replace(_BASE, ".")


@contextmanager
def without_adapters(model: nn.Module) -> Iterator[None]:
    """Let a model compute as its base does inside the block, without gradients of adapters."""
    layers = adapted_layers(model).values()
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


@torch.no_grad()
def merged_weight(layer: Any) -> Tensor:
    """Return the weight W + scaling * B A of an adapted layer, rounded once to W's data type."""
    weight: Tensor = layer.base_layer.weight
    down, up = (getattr(layer, part)[NAME].weight.float() for part in ("lora_A", "lora_B"))
    scaling: float = layer.scaling[NAME]
    merged: Tensor = weight.float() + scaling * (up @ down)
    return merged.to(weight.dtype)


class PlainWeights(Mapping[str, Tensor]):
    """The weights of a model with adapters, by the names that its base model has for them.

    Each is merged when it is read, so that the whole model is never held twice.

    Args:
        model: model with adapters.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._layers = {f"{name}.weight": of for name, of in adapted_layers(model).items()}
        adapters = adapter_weights(model)
        self._own = {
            plain_name(name): parameter
            for name, parameter in model.named_parameters()
            if name not in adapters
        }

    def __getitem__(self, name: str) -> Tensor:
        """Return a weight; it shares memory with the model unless it is an adapted one."""
        if name in self._layers:
            return merged_weight(self._layers[name])
        return self._own[name].detach()

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


def with_plain(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return parameters, by name, with which a model computes as plain weights do.

    Adapters add nothing to them. Parameters of which there is no weight stay as they are.

    Args:
        model: model with or without adapters.
        weights: weights by the names that a model without adapters has for them.
    """
    adapters = adapter_weights(model)
    found: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        if name in adapters:
            found[name] = torch.zeros_like(parameter)
        elif (plain := plain_name(name)) in weights:
            found[name] = weights[plain]
    return found


def merge_adapters(model: nn.Module) -> None:
    """Turn a model with adapters into a plain one of the same function, in place."""
    for name, layer in adapted_layers(model).items():
        parent, _, last = name.rpartition(".")
        layer.base_layer.weight.data = merged_weight(layer)
        setattr(model.get_submodule(parent), last, layer.base_layer)
    if hasattr(model, "peft_config"):
        del model.peft_config
    model.requires_grad_(True)


def save_plain(model: PreTrainedModel, folder: Path) -> None:
    """Write a model in Hugging Face format; adapters are merged into the weights of the files."""
    merged = dict(PlainWeights(model)) if has_adapters(model) else None
    model.save_pretrained(folder, state_dict=merged)
