"""Loading of weights, from a folder or from this process, into an engine's model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anchorgym.agents.engines.adapters import PlainWeights
from anchorgym.agents.engines.contract import StaleWeightsError, WeightsError, WeightSource


def check_version(present: int, given: int) -> None:
    """Check that weights are not older than the present ones.

    Raises:
        StaleWeightsError: `given` is below `present`.
    """
    if given < present:
        raise StaleWeightsError(
            f"the engine has weights of version {present}, so it does not take version {given}: "
            "count versions on from `engine.version`"
        )


@torch.no_grad()
def put_weights(model: nn.Module, source: WeightSource) -> None:
    """Replace the weights of a model in place: all of them, or none if something is wrong.

    Tensors that share memory with the model's own are skipped, and so are the plain weights of the
    model itself, which has changed with its adapters.

    Args:
        model: model whose parameters and persistent buffers are overwritten.
        source: a folder with `*.safetensors`, or tensors by name. Every parameter is needed; tied
            parameters under at least one of their names.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape, or the folder cannot be
            read. The model is then unchanged.
    """
    if isinstance(source, PlainWeights) and source.model is model:
        return
    own: dict[str, Tensor] = model.state_dict(keep_vars=True)
    given = source if isinstance(source, Mapping) else _read(Path(source))
    names_of: dict[int, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names_of.setdefault(id(parameter), set()).add(name)
    missing = sorted(min(names) for names in names_of.values() if names.isdisjoint(given))
    unknown = sorted(given.keys() - own.keys())
    shapes = {
        name: (tuple(tensor.shape), tuple(own[name].shape))
        for name, tensor in given.items()
        if name in own and tensor.shape != own[name].shape
    }
    if missing or unknown or shapes:
        raise WeightsError(_explain(missing, unknown, shapes))
    for name, tensor in given.items():
        if not _same_memory(tensor, own[name]):
            own[name].copy_(tensor)


def _read(folder: Path) -> dict[str, Tensor]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise WeightsError(
            f"{folder} holds no weights (*.safetensors): give a saved model's folder"
        )
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors |= load_file(file)
        except (OSError, SafetensorError) as error:
            raise WeightsError(
                f"{file} cannot be read ({error}): save the weights again"
            ) from error
    wrong = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if wrong:
        raise WeightsError(
            f"{folder} holds weights that are no finite numbers, such as {min(wrong)!r}: load an "
            "earlier state"
        )
    return tensors


def _same_memory(one: Tensor, other: Tensor) -> bool:
    return one.device == other.device and one.data_ptr() == other.data_ptr()


def _explain(
    missing: list[str],
    unknown: list[str],
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]],
) -> str:
    parts = []
    if missing:
        parts.append(f"{len(missing)} parameters are missing, such as {missing[0]!r}")
    if unknown:
        parts.append(f"{len(unknown)} tensors are unknown, such as {unknown[0]!r}")
    for name, (given, expected) in list(shapes.items())[:1]:
        parts.append(f"{len(shapes)} have another shape, such as {name!r}: {given}, not {expected}")
    return f"these are weights of another model: {'; '.join(parts)}"
