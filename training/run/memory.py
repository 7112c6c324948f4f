"""Memory of phases that have ended."""

from __future__ import annotations

import ctypes
import gc
import sys


def release_memory() -> None:
    """Give memory that is free in this process back to the operating system.

    The C library of Linux keeps what was freed between blocks that are in use, so that phases with
    blocks of different sizes, such as evaluation and training, would each add to the memory of a
    run. Elsewhere nothing is done.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def reuse_memory() -> None:
    """Have this process keep the memory of blocks that it frees, for the next ones.

    The C library of Linux asks the operating system for each block of megabytes, and gives it back
    when it is freed: every page of every activation would be made anew, which took a quarter of the
    CPU time of a language model's updates. `release_memory` gives back what is left over. The
    setting holds until the process ends; elsewhere nothing is done.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(_TRIM_THRESHOLD, 2**31 - 1)
        set_option(_MMAP_THRESHOLD, 2**30)


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Options of `mallopt`: how much free memory at the end of the heap is given back, and from which
size blocks are asked for one by one."""
