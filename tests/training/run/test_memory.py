"""Memory that is given back between the phases of a run."""

import sys

import psutil
import pytest
import torch

from anchorgym.training.run.memory import release_memory


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries give memory back unasked")
def test_holes_between_blocks_in_use_are_given_back() -> None:
    process = psutil.Process()
    # Each hole of 64 KB lies between blocks that stay in use.
    blocks = [torch.ones(2**14 if i % 2 else 16) for i in range(8000)]
    in_use = [block for block in blocks if len(block) == 16]
    full = process.memory_info().rss
    blocks.clear()
    release_memory()
    assert process.memory_info().rss < full - 200 * 2**20
    assert all(float(block[0]) == 1 for block in in_use)
