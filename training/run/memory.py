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
