"""Adapters in the format of peft, which other programs read: a JSON file and a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors.torch import save_file
from torch import Tensor, nn

from anchorgym.agents.engines.adapters import NAME

ADAPTER: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
_PREFIX: Final = "base_model.model."
"""Beginning of the names that peft gives to the tensors of a file."""


def peft_name(name: str) -> str:
    """Return the name that a matrix of an adapter has in a file.

    Args:
        name: its parameter name, see `adapter_weights`.
    """
    return _PREFIX + name.replace(f".{NAME}.", ".")


def peft_config(model: nn.Module, base: str) -> dict[str, Any]:
    """Return the configuration of a model's adapters, as JSON values.

    Args:
        model: model with adapters.
        base: path or name of the base model.
    """
    config: Any = model.peft_config[NAME]  # type: ignore[index]
    values = {**config.to_dict(), "base_model_name_or_path": base, "inference_mode": True}
    return {k: sorted(v) if isinstance(v, set) else v for k, v in sorted(values.items())}


def write_peft(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write adapters into an existing folder.

    Args:
        folder: folder of the two files.
        config: configuration, see `peft_config`.
        weights: matrices A and B by parameter name, see `adapter_weights`.
    """
    (folder / ADAPTER).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors = {peft_name(name): w.detach().contiguous().cpu() for name, w in weights.items()}
    save_file(tensors, folder / ADAPTER_WEIGHTS, {"format": "pt"})
