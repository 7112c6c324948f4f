"""Float32 copies of weights of lower precision, which optimizer steps update.

A step changes a weight by less than bfloat16 can tell apart: updated in bfloat16, most weights
would stay as they are. So the optimizer steps in float32, and the model gets the rounded result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MasterWeights:
    """The trainable weights of a model, in float32.

    Weights that are float32 in the model are their own masters. Gradients of others are added up in
    float32 as a backward pass computes them, and do not stay in the model.

    Args:
        model: network to train.
    """

    def __init__(self, model: nn.Module) -> None:
        self._pairs: dict[str, tuple[nn.Parameter, Tensor]] = {}
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                own = weight.dtype == torch.float32
                master = weight if own else weight.detach().float().requires_grad_()
                self._pairs[name] = weight, master

    def named(self) -> dict[str, Tensor]:
        """Return the masters by the names of their weights, shared weights once."""
        return {name: master for name, (_, master) in self._pairs.items()}

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Add the gradients of backward passes inside the block to those of the masters."""
        hooks = [
            weight.register_post_accumulate_grad_hook(_mover(master))
            for weight, master in self._pairs.values()
            if weight is not master
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def put_back(self) -> None:
        """Round the masters into the model's weights."""
        for weight, master in self._pairs.values():
            if weight is not master:
                weight.copy_(master)


def _mover(master: Tensor) -> Callable[[Tensor], None]:
    """Return a function that moves the gradient of a weight to its master."""

    def move(weight: Tensor) -> None:
        gradient, weight.grad = weight.grad, None
        if gradient is None:
            return
        if master.grad is None:
            master.grad = gradient.float()
        else:
            master.grad += gradient

    return move
