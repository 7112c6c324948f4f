"""Memory of phases that have ended."""

from __future__ import annotations

import ctypes
import gc
import mmap
import sys
from pathlib import Path
from typing import Any


def release_memory() -> None:
    """Give memory that is free in this process back to the operating system.

    The C library of Linux keeps what was freed between blocks that are in use, so that phases with
    blocks of different sizes, such as evaluation and training, would each add to the memory of a
    run. Elsewhere nothing is done.
    """
    gc.collect()
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def release_spare_memory(most: int = 2**30) -> None:
    """Give free memory back if there is more of it than `most` bytes, as `release_memory` does.

    What lies free between blocks of many sizes grows from update to update; to give it back each
    time would cost a small model more than it saves.
    """
    count, trim = _function("mallinfo2"), _function("malloc_trim")
    if count is None or trim is None:
        return
    count.restype = _HeapCounts
    counts = count()
    # The library goes on to count as free what it has given back, and is not resident any more.
    if min(counts.free, _resident() - counts.used) > most:
        trim(0)


def _resident() -> int:
    """Return the bytes of this process that lie in memory, on Linux."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * mmap.PAGESIZE


class _HeapCounts(ctypes.Structure):
    """What the C library counts of its memory, in bytes: `struct mallinfo2`."""

    _fields_ = [
        *((f"counted_{n}", ctypes.c_size_t) for n in range(7)),
        ("used", ctypes.c_size_t),
        ("free", ctypes.c_size_t),
        ("at_the_end", ctypes.c_size_t),
    ]


def reuse_memory() -> None:
    """Have this process keep the memory of blocks that it frees, for the next ones.

    The C library of Linux asks the operating system for each block of megabytes, and gives it back
    when it is freed: every page of every activation would be made anew, which took a fifth of the
    CPU time of a language model's updates. `release_memory` gives back what is left over. The
    setting holds until the process ends; elsewhere nothing is done.
    """
    if (set_option := _function("mallopt")) is not None:
        set_option(_TRIM_THRESHOLD, 2**31 - 1)
        # Older versions of the library take no more than half of what a heap may be.
        set_option(_MMAP_THRESHOLD, 2**30) or set_option(_MMAP_THRESHOLD, 2**25)


def _function(name: str) -> Any:
    """Return a function of the C library of Linux; None if there is none."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Options of `mallopt`: how much free memory at the end of the heap is given back, and from which
size blocks are asked for one by one."""
