"""The mutation run: which changes it makes, what it says of them, and that it leaves no trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mutants.mutations import mutations

TESTS = Path(__file__).resolve().parent
SOURCE = '''"""A module: 1 < 2."""

LIMIT: int = 3


def clipped(value: float, low: float = 0.5) -> float:
    """Return 2 values, or less."""
    if value < low and not value == LIMIT:
        raise ValueError(f"too {low - 1}")
    é = max(value, low)
    return é + 1
'''


def changes(source: str) -> dict[str, str]:
    return {mutation.name: mutation.apply(source) for mutation in mutations(source)}


def test_changes_are_small_and_leave_alone_what_only_describes() -> None:
    found = changes(SOURCE)
    assert set(found) == {
        "module: 3 -> 4",
        "module: 3 -> 2",
        "clipped: 0.5 -> 1.0",
        "clipped: value < low and (not value == LIMIT) -> value < low or not value == LIMIT",
        "clipped: value < low -> value <= low",
        "clipped: not value == LIMIT -> value == LIMIT",
        "clipped: value == LIMIT -> value != LIMIT",
        "clipped: raise ValueError(f'too {low - 1}') -> pass",
        "clipped: max(value, low) -> min(value, low)",
        "clipped: max(value, low) -> max(low, value)",
        "clipped: é + 1 -> é - 1",
        "clipped: 1 -> 2",
        "clipped: 1 -> 0",
    }
    for name, changed in found.items():
        compile(changed, name, "exec")
        assert changed.count("\n") == SOURCE.count("\n")
        lines = zip(changed.splitlines(), SOURCE.splitlines(), strict=True)
        assert sum(one != other for one, other in lines) == 1, name


def test_a_change_that_occurs_twice_has_two_names() -> None:
    assert set(changes("def f(a):\n    return (a - 1) * (a - 1)\n")) >= {
        "f: a - 1 -> a + 1",
        "f: a - 1 -> a + 1 #2",
    }


def test_statements_and_arguments_are_left_out_or_swapped() -> None:
    source = """
class A:
    def f(self, xs):
        self.n = 0
        for x in xs:
            if x:
                continue
            self.n += x
            self.g(x, 2, key=xs)
"""
    names = {name.partition(": ")[2] for name in changes(source)}
    assert names >= {
        "self.n = 0 -> pass",
        "continue -> break",
        "self.n += x -> pass",
        "self.n += x -> self.n -= x",
        "self.g(x, 2, key=xs) -> pass",
        "self.g(x, 2, key=xs) -> self.g(2, x, key=xs)",
        "self.g(x, 2, key=xs) -> self.g(x, 2)",
    }


MATHS = """
def larger(a, b):
    if a > b:
        return a
    return b


def steps(n):
    while not n:
        n = "done"
    return n
"""
TEST = """
from anchorgym.room.maths import larger, steps


def test_larger():
    assert larger(1, 2) == larger(2, 1) == 2


def test_steps():
    assert steps("go") == "go"
"""
DRIVER = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
from mutants import run, trial
from mutants.rooms import Room
trial.SLOW_TO_IMPORT = ("coverage", "hypothesis")
run.LEAST_LIMIT, run.PATIENCE = 6.0, 1
rooms = (Room("room", ("room",), ("tests",)),)
sys.exit(run.main(sys.argv[1:], Path.cwd(), rooms))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of one room, in which one change makes no difference."""
    files = {
        "room/__init__.py": "",
        "room/maths.py": MATHS,
        "tests/test_maths.py": TEST,
        "equivalent.toml": "",
        ".gitignore": ".mutants/\n",
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib']\n"
        "markers = ['slow: takes long']\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DRIVER, "--equivalent", "equivalent.toml", *arguments]
    environment = {**os.environ, "TMPDIR": str(project / ".mutants")}
    (project / ".mutants").mkdir(exist_ok=True)
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=120
    )
    assert not list((project / ".mutants").glob("anchorgym-mutants-*")), "the copy was left"
    assert (project / "room/maths.py").read_text() == MATHS
    return done


def test_a_run_says_what_no_test_notices_and_goes_on_where_it_was(project: Path) -> None:
    listed = run(project, "--list").stdout.splitlines()
    names = [line.partition("room/maths.py larger: ")[2] for line in listed if "larger" in line]
    assert names == ["a > b -> a >= b"]
    assert len(listed) == 2
    done = run(project, "--verbose")
    assert done.returncode == 1, done.stdout + done.stderr
    found = done.stdout.splitlines()
    assert "1 of 2 noticed: 50.0% (at least 90% should be)" in found
    at = next(number for number, line in enumerate(found) if "survived " in line)
    assert found[at].endswith("room/maths.py:3")
    assert found[at + 1] == "    room/maths.py larger: a > b -> a >= b"
    kept = project / ".mutants/results.jsonl"
    results = [json.loads(line) for line in kept.read_text().splitlines()]
    ends = {record["key"].rpartition(" ")[0]: record["end"] for record in results}
    assert ends == {
        "room/maths.py larger: a > b -> a >= b": "passed",
        "room/maths.py steps: not n -> n": "hung",
    }
    (project / "equivalent.toml").write_text(
        '[[mutant]]\nname = "room/maths.py larger: a > b -> a >= b"\nreason = "They are equal."\n'
    )
    again = run(project)
    assert again.returncode == 0
    assert "1 of 1 noticed: 100.0% (at least 90% should be)" in again.stdout
    assert len(kept.read_text().splitlines()) == 2, "what was found before is not tried again"


def test_tests_that_fail_without_any_change_are_named(project: Path) -> None:
    (project / "tests/test_maths.py").write_text(TEST.replace('== "go"', "== 4"))
    done = run(project)
    assert done.returncode == 2
    assert "without any change, tests/test_maths.py::test_steps fails" in done.stdout


def test_a_run_that_is_interrupted_leaves_no_trace(project: Path) -> None:
    waits = (
        TEST + "\n\ndef test_waits():\n    import time\n\n    time.sleep(0.5)\n    larger(1, 2)\n"
    )
    (project / "tests/test_maths.py").write_text(waits)
    command = [sys.executable, "-c", DRIVER, "--equivalent", "equivalent.toml"]
    environment = {**os.environ, "TMPDIR": str(project / ".mutants")}
    (project / ".mutants").mkdir()
    running = subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None
    assert running.stdout.readline().startswith(b"[1/")
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode != 0
    assert (project / "room/maths.py").read_text() == MATHS
    assert not list((project / ".mutants").glob("anchorgym-mutants-*"))
