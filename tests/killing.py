"""Processes that are killed at a chosen moment, and what they leave behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from anchorgym.agents import ModelPolicy
from anchorgym.training.learning.cloning_learner import CloningLearner
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.run import job
from anchorgym.training.run.metrics import MetricsLog

KILLED = -signal.SIGKILL
_TENSORS = (
    "agents.engines.peft_format",
    "agents.policies.tabular",
    "training.learning.tensors",
    "training.worlds.overcooked.games",
    "training.worlds.overcooked.network",
    "training.worlds.vgc.policy",
)
"""Modules that write tensors."""
_TIMES = ("seconds", "cpu_seconds", "wall_seconds", "elapsed", "logs", "sha256")
"""Keys of what differs between two runs in any case, and of sizes and hashes that depend on it."""


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
            (os, "truncate"),
            (os, "unlink"),
            (CloningLearner, "step"),
            (LanguageLearner, "forward_backward"),
            (job, "load_policy"),
        ):
            self._patch(owner, name, lambda *_, **__: None)
        self._patch(MetricsLog, "write", _half_a_line)
        self._patch(Path, "write_text", lambda path, text, **_: _cut(path, text.encode()))
        self._patch(Path, "write_bytes", _cut)
        for module in _TENSORS:
            self._patch(import_module(f"anchorgym.{module}"), "save_file", _half_the_tensors)
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
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])


def _half_a_line(log: MetricsLog, phase: str, **_: Any) -> None:
    log._file.write('{"phase": "' + phase)
    log._file.flush()


def _half_the_tensors(tensors: dict[str, Any], path: Path, *_: object) -> None:
    path.with_suffix(".safetensors").open("wb").write(b"half of the tensors")


def _half_a_policy(policy: ModelPolicy, folder: Path) -> None:
    policy.model.save_pretrained(folder)
    _cut(folder / "model.safetensors", (folder / "model.safetensors").read_bytes())


def _half_a_removal(folder: Path, **_: Any) -> None:
    if Path(folder).is_dir():
        for path in sorted(Path(folder).iterdir())[:1]:
            if path.is_file():
                path.unlink()


# Sweeps -------------------------------------------------------------------------------------


def require_bit_exact(run: Callable[[Path], object], folder: Path, kills: int | None) -> None:
    """Kill a command at its writes and repeat it: it ends with the files of an undisturbed one.

    Args:
        run: begins or resumes the command in a folder.
        folder: empty folder.
        kills: number of moments, spread over all that there are, at which it is killed; None kills
            it at every moment.
    """
    folder.mkdir(exist_ok=True)

    def work(name: str, kill_at: int = -1) -> int:
        def counted() -> None:
            moments = Moments(kill_at).watch()
            run(folder / name)
            with (folder / "moments").open("w") as file:
                file.write(str(moments.count))

        return in_a_child(counted)

    assert work("whole") == 0
    expected = contents(folder / "whole")
    n = int((folder / "moments").read_text())
    assert n > 10, "the command has hardly written anything"
    rng, parts = random.Random(0), min(n, kills or n)
    for part in range(parts):
        kill_at = 1 + rng.randrange(n * part // parts, n * (part + 1) // parts)
        name = f"killed-{kill_at}"
        assert work(name, kill_at) == KILLED
        assert work(name) == 0, f"killed at moment {kill_at} of {n}, it cannot be repeated"
        left = contents(folder / name)
        assert left.keys() == expected.keys(), f"killed at moment {kill_at} of {n}"
        differing = [path for path in expected if left[path] != expected[path]]
        assert differing == [], f"killed at moment {kill_at} of {n}: {differing}"
        shutil.rmtree(folder / name)


def contents(folder: Path) -> dict[str, Any]:
    """Return what every file of a run's folder holds, but for the time that things took.

    Of the checkpoints only the newest is read, as how many there were depends on interruptions.
    """
    found = {}
    newest = max((path.name for path in folder.glob("**/checkpoints/*")), default="")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.suffix == ".png" or "tensorboard/" in name:
            continue
        if "checkpoints/" in name:
            if f"checkpoints/{newest}/" not in name:
                continue
            name = name.replace(f"checkpoints/{newest}/", "checkpoints/newest/")
        found[name] = _content(path)
    return found


def _content(path: Path) -> object:
    if path.suffix == ".jsonl":
        return [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text()))
    return path.read_bytes()


def left_by(folder: Path) -> dict[str, Any]:
    """Return what a finished run of `train` left, but for the time it took."""
    left = contents(folder)
    return {name: left[name] for name in left if not name.startswith("checkpoints/")}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in _TIMES}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value
