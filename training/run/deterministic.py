"""Deterministic kernels on a GPU, so that a run repeats bit for bit on the same machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from anchorgym.agents.engines.placing import resolve_device

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def deterministic_kernels(device: str) -> Iterator[None]:
    """Use deterministic kernels inside the block, if a device is a GPU.

    Torch warns of an operation that has none. Kernels of a CPU are deterministic for a given number
    of threads. cuBLAS reads its setting when it is first used: code that has computed on the GPU
    before sets the environment variable CUBLAS_WORKSPACE_CONFIG to `:4096:8` itself.

    Args:
        device: name of the device, see `resolve_device`.
    """
    if resolve_device(device).type != "cuda":
        yield
        return
    os.environ.setdefault(_WORKSPACE, ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    options: Any = torch.utils.deterministic
    filled = options.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    options.fill_uninitialized_memory = False  # it costs time, and nothing here reads such memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        options.fill_uninitialized_memory = filled
