"""Bounds of settings: what lies beyond can be neither built nor drawn."""

from __future__ import annotations

from typing import Final

MOST_NUMBER: Final = 2**63 - 1
"""Largest whole number that an array can hold."""
MOST_SEED: Final = MOST_NUMBER
"""Largest seed: torch takes no larger one."""
MOST_WIDTH: Final = 65_536
"""Largest width of a layer, and number of its heads."""
MOST_LAYERS: Final = 1_024
"""Largest number of layers."""
MOST_THREADS: Final = 1_024
"""Largest number of threads."""
