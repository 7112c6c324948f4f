"""The adapters of a server that speaks vLLM's routes: copies of its model with merged weights."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from anchorgym.agents.engines.remote.weights_folder import require_stable

Said = tuple[int, Any]
"""Status and body of an answer; a text is sent as it is."""


class FakeAdapters:
    """Loads and unloads adapters, and misbehaves on demand.

    Args:
        rank: largest rank that the server has room for; 0 if it was started without adapters.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.models: dict[str, Any] = {}
        self.loaded: list[str] = []
        """Names in the order in which they were loaded, of all times."""
        self.unloaded: list[str] = []
        self.stale = False
        """Whether a load is answered with success, and done with the weights loaded before."""

    def load(self, base: Any, name: str, folder: Path) -> Said:
        if name in self.models:
            return 400, _error(f"The lora adapter '{name}' has already been loaded.")
        if not folder.is_dir():
            return 404, _error(f"Loading lora {name} failed: No adapter found for <path>")
        config = json.loads((folder / "adapter_config.json").read_text())
        rank = config["r"]
        if not self.rank:
            return 500, _error("LoRA is not enabled. Use --enable-lora to enable LoRA.")
        if rank > self.rank:
            return 500, _error(f"LoRA rank {rank} is greater than max_lora_rank {self.rank}.")
        require_stable(folder)
        self.models[name] = (
            list(self.models.values())[-1]
            if self.stale and self.models
            else _merged(base, config, load_file(folder / "adapter_model.safetensors"))
        )
        self.loaded.append(name)
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, name: str) -> Said:
        if self.models.pop(name, None) is None:
            return 404, _error(f"The lora adapter '{name}' cannot be found.")
        self.unloaded.append(name)
        return 200, f"Success: LoRA adapter '{name}' removed successfully."


@torch.no_grad()
def _merged(base: Any, config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Any:
    model = copy.deepcopy(base)
    root = config["r"] ** 0.5 if config["use_rslora"] else config["r"]
    for name, down in tensors.items():
        path, found, _ = name.removeprefix("base_model.model.").partition(".lora_A.")
        if found:
            up = tensors[name.replace(".lora_A.", ".lora_B.")]
            model.get_submodule(path).weight += config["lora_alpha"] / root * (up @ down)
    return model


def _error(message: str) -> Any:
    return {"error": {"message": message}}
