"""Sets the variable of `usual_threads` to 1 where it is not set, when this module is imported.

Only the command line imports it, before NumPy and torch are loaded: a program of the user's own
keeps the threads that it has.
"""

from __future__ import annotations

import os

from anchorgym.training.usual_threads import VARIABLE

if not os.environ.get(VARIABLE, "").strip():
    os.environ[VARIABLE] = "1"
