"""Forms in which a model's weights are published: whole, or adapters alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

import torch
from torch import Tensor

from anchorgym.agents.engines.adapters import (
    NAME,
    PlainWeights,
    adapted_layers,
    adapter_weights,
    has_adapters,
    plain_name,
    with_plain,
)
from anchorgym.agents.engines.peft_format import peft_config
from anchorgym.agents.engines.remote.contract import AdapterFiles, AdaptersError, Backend

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_STRETCH: Final = 0.1
"""Size of the change that a rehearsal makes, as a share of the weights."""


class Form(Protocol):
    """What is published of a model."""

    keeps_others: bool
    """Whether weights under other labels stay where they are."""

    def tensors(self, model: PreTrainedModel) -> dict[str, Tensor]:
        """Return what is published, by name.

        Raises:
            AdaptersError: the model has nothing of this form.
        """
        ...

    def stretched(self, model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights that differ much from those of `tensors`."""
        ...

    def parameters(
        self, model: PreTrainedModel, tensors: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """Return parameters, by name, with which the model computes as `tensors` do."""
        ...

    def hand_over(
        self, backend: Backend, model: PreTrainedModel, tensors: Mapping[str, Tensor], label: str
    ) -> None:
        """Publish `tensors` under a label."""
        ...


class WholeForm:
    """All weights; adapters are merged into those of their layers."""

    keeps_others = False

    def tensors(self, model: PreTrainedModel) -> dict[str, Tensor]:
        """Return the weights as they are saved; see `saved_form`."""
        return saved_form(model)

    def stretched(self, model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights of which each is larger by a tenth."""
        own = {plain_name(name) for name, _ in model.named_parameters(remove_duplicate=False)}
        return {n: of * (1 + _STRETCH) if n in own else of for n, of in tensors.items()}

    def parameters(
        self, model: PreTrainedModel, tensors: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """Return the weights for the layers of the model, whose adapters add nothing to them."""
        return with_plain(model, tensors)

    def hand_over(
        self, backend: Backend, model: PreTrainedModel, tensors: Mapping[str, Tensor], label: str
    ) -> None:
        """Replace the backend's weights."""
        backend.publish(tensors, label)


class AdapterForm:
    """Adapters alone, beside the weights of the base model, which the backend has already."""

    keeps_others = True

    def tensors(self, model: PreTrainedModel) -> dict[str, Tensor]:
        """Return the matrices A and B; see `adapter_weights`."""
        if not has_adapters(model):
            raise AdaptersError(
                "engine.adapters publishes adapters alone, and this model has none: set lora.rank, "
                "or engine.adapters to false to publish whole weights"
            )
        return {name: weight.detach() for name, weight in adapter_weights(model).items()}

    @torch.no_grad()
    def stretched(self, model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return adapters that change each weight by about a tenth of its size."""
        found = dict(tensors)
        generator = torch.Generator().manual_seed(0)
        for name, layer in adapted_layers(model).items():
            down, up = (tensors[f"{name}.{part}.{NAME}.weight"] for part in ("lora_A", "lora_B"))
            noise = torch.randn(up.shape, generator=generator).to(up.device)
            change = layer.scaling[NAME] * (noise @ down.float())
            share = layer.base_layer.weight.float().std() / change.std().clamp_min(1e-9)
            found[f"{name}.lora_B.{NAME}.weight"] = up + (_STRETCH * share * noise).to(up.dtype)
        return found

    def parameters(
        self, model: PreTrainedModel, tensors: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """Return the adapters, which have the names of the model's parameters."""
        return tensors

    def hand_over(
        self, backend: Backend, model: PreTrainedModel, tensors: Mapping[str, Tensor], label: str
    ) -> None:
        """Load the adapters beside others."""
        base = str(getattr(model.config, "_name_or_path", "") or "base")
        backend.publish_adapters(AdapterFiles(peft_config(model, base), tensors), label)


def saved_form(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return a model's parameters and persistent buffers by name, as in a saved model.

    Tied weights are given under each of their names, for readers that keep them apart. Weights that
    are computed from parts while they are trained are given as what they are computed to, and
    adapters are merged into the weights of their layers.
    """
    if has_adapters(model):
        return _merged(model)
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict().items():
        path, computed, rest = name.partition(".parametrizations.")
        if computed:
            attribute = rest.partition(".")[0]
            name = f"{path}.{attribute}"
            if name not in found:
                found[name] = getattr(model.get_submodule(path), attribute).detach()
            continue
        found[name] = tensor.clone() if tensor.data_ptr() in seen else tensor.detach()
        seen.add(tensor.data_ptr())
    return found


def _merged(model: PreTrainedModel) -> dict[str, Tensor]:
    found = dict(PlainWeights(model))
    first: dict[int, str] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        known = first.setdefault(id(weight), name)
        if known != name:  # a tied weight, which no adapter has
            found[name] = found[known].clone()
    return found
