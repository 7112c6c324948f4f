"""The reference model of a KL penalty: a policy as it was when its training began."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from anchorgym.agents.engines.adapters import adapter_weights, without_adapters

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ReferenceModel(Protocol):
    """A model that computes as the policy did when its training began."""

    @contextmanager
    def ready(self) -> Iterator[PreTrainedModel]:
        """Yield the model, which is to be called inside the block, without gradients."""
        ...

    def digest(self) -> str:
        """Return a digest of the weights in which reference models differ."""
        ...


def reference_of(model: PreTrainedModel) -> ReferenceModel:
    """Return a reference model that computes as a model does now.

    Of a model with adapters it holds no copy of the base: untrained adapters are switched off, and
    trained ones are kept beside those that go on changing.
    """
    weights = adapter_weights(model)
    if not weights:
        return _Copy(model)
    if any(bool(weight.any()) for name, weight in weights.items() if ".lora_B." in name):
        return _EarlierAdapters(model)
    return _Base(model)


class _Copy:
    """A frozen copy of a whole model."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = copy.deepcopy(model).requires_grad_(False).eval()

    @contextmanager
    def ready(self) -> Iterator[PreTrainedModel]:
        yield self._model

    def digest(self) -> str:
        return _digest(dict(self._model.named_parameters()))


class _Base:
    """The base of a model whose adapters were untrained."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model, self._digest = model, _digest(adapter_weights(model))

    @contextmanager
    def ready(self) -> Iterator[PreTrainedModel]:
        with without_adapters(self._model):
            yield self._model

    def digest(self) -> str:
        return self._digest


class _EarlierAdapters:
    """A model whose adapters are exchanged for those that it had."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._kept = {n: w.detach().clone() for n, w in adapter_weights(model).items()}

    @contextmanager
    def ready(self) -> Iterator[PreTrainedModel]:
        weights = adapter_weights(self._model)
        now = {name: weight.data for name, weight in weights.items()}
        try:
            for name, weight in weights.items():
                weight.data = self._kept[name]
            yield self._model
        finally:
            for name, weight in weights.items():
                weight.data = now[name]

    def digest(self) -> str:
        return _digest(self._kept)


def _digest(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, weight in weights.items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
