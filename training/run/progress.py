"""How far a training job is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from anchorgym.gigpo import Counts, State

PHASES = ("clone", "before", "reinforce", "after")
"""In their order; the vocabulary comes before the first checkpoint."""


@dataclass(slots=True)
class Progress:
    """How far a job is, as JSON values."""

    phase: str = PHASES[0]
    done: int = 0
    """Updates or iterations of the phase."""
    algorithm: State = field(default_factory=dict)
    """What the algorithm remembers."""
    visits: Counts = field(default_factory=dict)
    """Of states, where novelty earns a bonus."""
    validated: int = -1
    """The iteration of the curve's last point."""
    best: int = 0
    """The iteration of its best point, the later one of equals."""
    best_success: float = -1.0
    best_files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the files of `policy/`, as that point was written there."""
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Final figures by "before" or "after" and mode."""
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    wall_seconds: dict[str, float] = field(default_factory=dict)
    """Empty in checkpoints of versions that did not measure them."""
