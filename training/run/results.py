"""The result of a finished run, and its file `result.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.envs.durable import write_file
from anchorgym.training.evaluation.evaluate import paired_difference
from anchorgym.training.evaluation.figures import Evaluation
from anchorgym.training.evaluation.statistics import Interval

RESULT = "result.json"
"""Name of the result file; a run is finished if it exists."""


@dataclass(slots=True)
class Run:
    """A finished run with its measurements."""

    folder: Path
    policy: ModelPolicy
    """The best policy on the validation panel, which `policy/` holds."""
    before: dict[str, Evaluation] = field(default_factory=dict)
    """Evaluations before reinforcement learning, by mode ("greedy" or "sampled")."""
    after: dict[str, Evaluation] = field(default_factory=dict)
    """Evaluations of `policy`, by mode."""
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds by phase."""
    wall_seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall seconds by phase."""
    iteration: int = 0
    """Iteration after which `policy` was taken; 0 is the clone."""

    def gain(self, mode: str) -> Interval:
        """Return the paired gain in success in a mode, "greedy" or "sampled"."""
        return paired_difference(self.after[mode], self.before[mode])


def write_result(run: Run) -> None:
    """Write `result.json`: evaluations before and after, paired gains, CPU and wall seconds."""
    result = {
        "before": {mode: e.to_json() for mode, e in run.before.items()},
        "after": {mode: e.to_json() for mode, e in run.after.items()},
        "gain": {mode: asdict(run.gain(mode)) for mode in run.after},
        "iteration": run.iteration,
        "cpu_seconds": {phase: round(s, 1) for phase, s in run.cpu_seconds.items()},
        "wall_seconds": {phase: round(s, 1) for phase, s in run.wall_seconds.items()},
    }
    write_file(run.folder / RESULT, json.dumps(result, indent=1, allow_nan=False) + "\n")
