"""Processes that are killed at a chosen moment of a training run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anchorgym.agents import ModelPolicy
from anchorgym.training.learning import tensors
from anchorgym.training.learning.cloning_learner import CloningLearner
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.run import job
from anchorgym.training.run.metrics import MetricsLog

KILLED = -signal.SIGKILL


def in_a_child(work: Callable[[], object]) -> int:
    """Do work in a forked process; return 0, the exit status, or minus the signal it died of."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Moments:
    """Counts what a run does in this process, and kills the process at the moment named.

    A moment is a write to a file, a flush to the disk, a rename, a removal, a line of metrics, an
    update. What is written at that moment is left half-written.
    """

    def __init__(self, kill_at: int = -1) -> None:
        self.count = 0
        self._kill_at = kill_at

    def watch(self) -> Moments:
        """Begin. There is no way back: this is for processes that end soon."""
        for owner, name in (
            (os, "fsync"),
            (os, "rename"),
            (os, "replace"),
            (CloningLearner, "step"),
            (LanguageLearner, "forward_backward"),
            (job, "load_policy"),
        ):
            self._patch(owner, name, lambda *_: None)
        self._patch(MetricsLog, "write", _half_a_line)
        self._patch(Path, "write_text", lambda path, text, **_: _cut(path, text.encode()))
        self._patch(tensors, "save_file", _half_the_tensors)
        self._patch(ModelPolicy, "save", _half_a_policy)
        self._patch(shutil, "rmtree", _half_a_removal)
        # Half a second each.
        job.draw_curve = job.draw_anchors = lambda *_: None  # type: ignore[assignment]
        return self

    def _patch(self, owner: Any, name: str, on_death: Callable[..., object]) -> None:
        original = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count == self._kill_at:
                self._kill_at = -1
                on_death(*arguments, **named)
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **named)

        setattr(owner, name, watched)


def _cut(path: Path, data: bytes) -> None:
    path.write_bytes(data[: len(data) // 2])


def _half_a_line(log: MetricsLog, phase: str, **_: Any) -> None:
    log._file.write('{"phase": "' + phase)
    log._file.flush()


def _half_the_tensors(tensors: dict[str, Any], path: Path) -> None:
    from safetensors.torch import save

    _cut(path, save(tensors))


def _half_a_policy(policy: ModelPolicy, folder: Path) -> None:
    policy.model.save_pretrained(folder)
    _cut(folder / "model.safetensors", (folder / "model.safetensors").read_bytes())


def _half_a_removal(folder: Path, **_: Any) -> None:
    if Path(folder).is_dir():
        for path in sorted(Path(folder).iterdir())[:1]:
            path.unlink()


def left_by(folder: Path) -> dict[str, Any]:
    """Return what a finished run left, but for the time it took."""
    kept: dict[str, Any] = {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("start", "clone", "policy", "last", "episodes")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    kept["metrics"] = [_timeless(json.loads(line)) for line in lines]
    kept["result"] = _timeless(json.loads((folder / "result.json").read_text()))
    kept["names"] = sorted(path.name for path in folder.iterdir() if path.suffix != ".png")
    return kept


def _timeless(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in record.items()
        if key not in ("seconds", "cpu_seconds", "wall_seconds")
    }
