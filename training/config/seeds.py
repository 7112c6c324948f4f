"""The range of seeds, which all generators of random numbers take."""

from __future__ import annotations

from typing import Final

MOST_SEED: Final = 2**63 - 1
"""Largest seed: torch takes no larger one."""
