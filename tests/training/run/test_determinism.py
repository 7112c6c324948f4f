"""The same command gives the same run, whatever the process around it looks like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from killing import left_by

JOB = (
    *("--policy.hidden", "32", "--policy.layers", "2", "--policy.heads", "2"),
    *("--policy.kv-heads", "1", "--policy.vocabulary-tasks", "30"),
    *("--clone.updates", "3", "--clone.batch", "4"),
    *("--rollout.iterations", "1", "--rollout.tasks", "2", "--rollout.group-size", "2"),
    *("--evaluation.tasks", "3", "--env.max-turns", "6", "--seed", "3"),
)
SURROUNDINGS = {
    "plain": {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
    "other hash seed": {"PYTHONHASHSEED": "4711"},
    "other locale and zone": {"LC_ALL": "POSIX", "TZ": "Asia/Kathmandu", "PYTHONUTF8": "0"},
    "two threads": {"OMP_NUM_THREADS": "2"},
}


@pytest.mark.slow  # four processes train
def test_a_run_depends_on_its_settings_alone(tmp_path: Path) -> None:
    left = {}
    for name, changes in SURROUNDINGS.items():
        folder = tmp_path / name.replace(" ", "-")
        subprocess.run(
            [sys.executable, "-m", "anchorgym.training.cli", "train", "--out", str(folder), *JOB],
            env={**os.environ, **SURROUNDINGS["plain"], **changes},
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        left[name] = left_by(folder)
    assert left["plain"]["result.json"]["after"]
    for name in SURROUNDINGS:
        differing = [part for part in left["plain"] if left[name].get(part) != left["plain"][part]]
        assert differing == [], name
