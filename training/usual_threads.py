"""The usual number of threads of numerical libraries: one, unless the user says otherwise.

OpenMP and OpenBLAS take a thread for each core by default, and small operations then cost up to
ten times the CPU time. They read the number when they are loaded, so the command line imports
`one_thread` before everything else.
"""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "OMP_NUM_THREADS"
"""Environment variable that gives the number of threads; a value of the user's own stays."""


def usual_threads() -> int:
    """Return the number of threads that the environment variable gives; 1 where it gives none."""
    first = os.environ.get(VARIABLE, "").partition(",")[0].strip()  # OpenMP takes one a level
    return int(first) if first.isascii() and first.isdigit() and int(first) else 1
