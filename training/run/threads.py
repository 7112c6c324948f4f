"""The number of threads of tensor operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from anchorgym.training.usual_threads import usual_threads


@contextmanager
def tensor_threads(number: int | None) -> Iterator[None]:
    """Set the number of threads of tensor operations inside the block.

    Args:
        number: of threads; None takes `usual_threads()`.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(usual_threads() if number is None else number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
