"""Muon, an optimizer that orthogonalizes momentum before each step (Jordan et al., 2024).

It differs from `torch.optim.Muon` in that it processes matrices of one shape together and in
float32: torch processes one at a time in bfloat16, which processors without bfloat16 emulate twenty
times slower.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5


class Muon(Optimizer):
    """Optimizes matrices; embeddings and vectors need another optimizer.

    Args:
        params: two-dimensional parameters.
        lr: learning rate; it is multiplied by sqrt(rows / columns) for tall matrices.
        momentum: Nesterov momentum.
        weight_decay: decoupled weight decay.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.02,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                self._step(parameters, shape, group)
        return loss

    def _step(self, parameters: list[Tensor], shape: torch.Size, group: dict[str, Any]) -> None:
        rate, momentum = group["lr"], group["momentum"]
        directions = []
        for parameter in parameters:
            grad, state = parameter.grad, self.state[parameter]
            assert grad is not None
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(grad)
            buffer = state["momentum_buffer"].lerp_(grad, 1 - momentum)
            directions.append(grad.lerp(buffer, momentum))
        length = rate * max(1.0, shape[0] / shape[1]) ** 0.5
        for parameter, direction in zip(
            parameters, orthogonal(torch.stack(directions)), strict=True
        ):
            parameter.mul_(1 - rate * group["weight_decay"]).add_(direction, alpha=-length)


def orthogonal(matrices: Tensor) -> Tensor:
    """Return matrices (n, rows, columns) with all singular values close to 1."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x
