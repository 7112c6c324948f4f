"""Backward passes of attention that repeat bit for bit on a GPU.

Where torch only warns of operations that do not repeat (`warn_only`), its fused attention does not
repeat either, although it can: it asks for the strict mode. So the strict mode holds for the
backward pass of attention alone, and what has no kernel that repeats goes on with a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Attention of queries, keys and values."""


def repeatably(kernel: Kernel, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return what a kernel returns; on a GPU that is to repeat, so does the backward pass."""
    if not (query.is_cuda and torch.is_grad_enabled() and _only_warns()):
        return kernel(query, key, value)
    begin: Callable[..., tuple[Tensor, Tensor, Tensor]] = _Begin.apply
    end: Callable[[Tensor], Tensor] = _End.apply
    return end(kernel(*begin(query, key, value)))


def _only_warns() -> bool:
    return (
        torch.are_deterministic_algorithms_enabled()
        and torch.is_deterministic_algorithms_warn_only_enabled()
    )


class _Begin(torch.autograd.Function):
    """Passes inputs on; going backward, ends the strict mode."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return tuple(tensor.view_as(tensor) for tensor in inputs)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None, ...]:
        torch.use_deterministic_algorithms(True, warn_only=True)
        return slopes


class _End(torch.autograd.Function):
    """Passes the output on; going backward, begins the strict mode."""

    @staticmethod
    def forward(ctx: Any, output: Tensor) -> Tensor:
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        torch.use_deterministic_algorithms(True, warn_only=False)
        return slope
