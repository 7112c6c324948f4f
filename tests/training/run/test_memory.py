"""Memory that is kept for further blocks, and given back between the phases of a run."""

import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from forked import Forked

from anchorgym.training.run.memory import release_memory, release_spare_memory, reuse_memory

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other C libraries give memory back unasked"
)


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


def test_a_block_of_megabytes_takes_the_memory_of_one_that_was_freed(tmp_path: Path) -> None:
    def new_pages() -> int:
        begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(50):
            torch.ones(2**24)  # 64 MB
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin

    def work() -> int:
        before = new_pages()
        reuse_memory()
        print(before, new_pages())
        return 0

    before, after = map(int, Forked(tmp_path, work).wait().stdout.split())
    assert after < before / 5


def test_spare_memory_is_given_back_where_it_is_much(tmp_path: Path) -> None:
    def work() -> int:
        reuse_memory()
        process, kept = psutil.Process(), torch.ones(16)
        blocks = [torch.ones(2**22) for _ in range(20)]  # 16 MB each
        full = process.memory_info().rss
        blocks.clear()
        release_spare_memory()
        some = process.memory_info().rss
        release_spare_memory(most=2**27)
        print(full, some, process.memory_info().rss, float(kept.sum()))
        return 0

    full, some, little, _ = map(float, Forked(tmp_path, work).wait().stdout.split())
    assert some > full - 100 * 2**20
    assert little < full - 200 * 2**20


_TRIMS = """
import torch
from anchorgym.training.run import memory

memory.reuse_memory()
blocks = [torch.ones(2**14 if i % 2 else 16) for i in range(24_000)]  # holes of 64 KB
kept = [block for block in blocks if len(block) == 16]
blocks.clear()
functions, trimmed = memory._function, []

def counted(name):
    function = functions(name)
    return (lambda n: trimmed.append(function(n))) if name == "malloc_trim" else function

memory._function = counted
for _ in range(3):
    memory.release_spare_memory(most=2**29)
print(len(trimmed))
"""


def test_what_was_given_back_is_not_given_back_again() -> None:
    command = [sys.executable, "-c", _TRIMS]  # a process whose memory no other test has filled
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]
