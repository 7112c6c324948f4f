"""Test runs in forked processes, which need not import what is slow to import.

`preload` imports the packages of others once; each run is a fork that imports anchorgym and the
tests from the copy of the tree, and runs the tests that are named.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SLOW_TO_IMPORT = (
    "coverage",
    "gymnasium",
    "hypothesis",
    "numpy",
    "pettingzoo",
    "pydantic",
    "rich.progress",
    "safetensors.torch",
    "scipy.optimize",
    "scipy.stats",
    "tokenizers",
    "torch",
    "transformers",
    "transformers.models.qwen2.modeling_qwen2",
)
MEMORY = 8 << 30  # bytes of data of a run: a change can make a loop that collects for ever
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", "--color=no")
PASSED, FAILED, HUNG = "passed", "failed", "hung"


@dataclass(frozen=True)
class Reached:
    """What the tests of one file reach: seconds of each test, and the tests of each line."""

    seconds: dict[str, float]
    lines: dict[str, dict[int, list[str]]]  # file -> line -> tests
    failed: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `json`."""
        return {"seconds": self.seconds, "lines": self.lines, "failed": self.failed}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reached:
        """Read what `to_json` returned, after a round trip through JSON."""
        lines = {
            file: {int(line): tests for line, tests in of_file.items()}
            for file, of_file in data["lines"].items()
        }
        return cls(data["seconds"], lines, data["failed"])


def preload() -> None:
    """Import what every run would import again; what is not installed is left."""
    for name in SLOW_TO_IMPORT:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def run_tests(tree: Path, tests: list[str], log: Path, limit: float) -> tuple[str, str]:
    """Run tests of a copy in the order given, up to the first that fails.

    Returns how it ended, and the test that failed or was running at the limit (in seconds).
    """
    said = log.with_suffix(".txt")

    def work() -> int:
        chosen = _Chosen(tests, said)
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        return int(pytest.main([*OPTIONS, "-x", *files], plugins=[chosen]))

    said.unlink(missing_ok=True)
    code = _in_a_fork(tree, work, log, limit, bytecode=False)
    last = said.read_text(encoding="utf-8") if said.exists() else ""
    return {0: PASSED, None: HUNG}.get(code, FAILED), last


def reach(tree: Path, test_file: str, log: Path, limit: float) -> Reached:
    """Run the tests of one file of the copy, and note which lines each of them reaches."""
    answer = log.with_suffix(".json")

    def work() -> int:
        import coverage

        measured = coverage.Coverage(
            data_file=None, config_file=False, include=[f"{tree}/*"], omit=[f"{tree}/tests/*"]
        )
        tracker = _Tracker(measured)
        measured.start()
        code = int(pytest.main([*OPTIONS, test_file], plugins=[tracker]))
        measured.stop()
        answer.write_text(json.dumps(tracker.reached(tree).to_json()), encoding="utf-8")
        return code

    answer.unlink(missing_ok=True)
    _in_a_fork(tree, work, log, limit, bytecode=True)
    if not answer.exists():
        return Reached({}, {}, [test_file])
    return Reached.from_json(json.loads(answer.read_text(encoding="utf-8")))


class _Chosen:
    """A plugin that keeps the tests that are named, in their order, and says which one failed."""

    def __init__(self, tests: Iterable[str], said: Path) -> None:
        self._rank = {test: rank for rank, test in enumerate(tests)}
        self._said = said

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._rank),
            key=lambda item: self._rank[item.nodeid],
        )

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._said.write_text(nodeid, encoding="utf-8")


class _Tracker:
    """A plugin that times the tests, and tells coverage which of them runs."""

    def __init__(self, measured: Any) -> None:
        self._measured = measured
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._failed: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._measured.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._measured.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failed.append(report.nodeid)

    def reached(self, tree: Path) -> Reached:
        data = self._measured.get_data()
        lines = {
            str(Path(file).relative_to(tree)): {
                line: [test for test in tests if test]
                for line, tests in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        return Reached(dict(self._seconds), lines, self._failed)


def _in_a_fork(
    tree: Path, work: Callable[[], int], log: Path, limit: float, *, bytecode: bool
) -> int | None:
    """Return the exit status of work done in a process group of its own; None at the limit."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setsid()
            _enter(tree, log, bytecode=bytecode)
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            os._exit(code)
    ended = None
    try:
        ended = _wait(child, limit)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        if ended is None:
            os.waitpid(child, 0)
    return ended


def _wait(child: int, limit: float) -> int | None:
    end = time.monotonic() + limit
    pause = 0.005
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(1.5 * pause, 0.1)
    return None


def _enter(tree: Path, log: Path, *, bytecode: bool) -> None:
    """Make the copy what this process imports and works in."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, replaced in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, replaced)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir(tree)
    sys.path[:] = [
        str(tree.parent),
        *(path for path in sys.path if not (Path(path) / "anchorgym").is_dir()),
    ]
    os.environ["PYTHONPATH"] = str(tree.parent)
    if not bytecode:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
