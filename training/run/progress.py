"""The progress of a training job, as a checkpoint stores it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from anchorgym.gigpo import Counts, State

PHASES = ("clone", "before", "reinforce", "after")
"""Phases of a job, in order; collecting the vocabulary precedes the first checkpoint."""


@dataclass(slots=True)
class Progress:
    """The progress of a job, as JSON values."""

    phase: str = PHASES[0]
    done: int = 0
    """Number of finished updates or iterations of the phase."""
    algorithm: State = field(default_factory=dict)
    """State of the algorithm."""
    visits: Counts = field(default_factory=dict)
    """Counts of visited states, for the novelty bonus."""
    validated: int = -1
    """Iteration of the last validation."""
    best: int = 0
    """Iteration of the best validation, the latest if several are equal."""
    best_success: float = -1.0
    policy: str = "start"
    """Folder of the policy with which the phase began; a learner's saved state goes on from it."""
    written: dict[str, dict[str, str]] = field(default_factory=dict)
    """SHA-256 of the files of policies that the run has written, by folder."""
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Final evaluations, by "before" or "after" and by mode."""
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    wall_seconds: dict[str, float] = field(default_factory=dict)
    """Wall seconds by phase; empty in checkpoints of versions that did not measure them."""
