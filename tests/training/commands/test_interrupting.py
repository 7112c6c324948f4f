"""Ctrl-C ends a command in one line, whatever it is doing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_START = """
import sys
from importlib.abc import MetaPathFinder

class Interrupts(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from anchorgym.training.__main__ import main
sys.argv[1:] = {words!r}
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module",
    [
        "anchorgym.training.cli",
        "anchorgym.envs.errors",
        "anchorgym.training.commands.train",
        "pydantic",
        "torch",
        "anchorgym.training.run.job",
    ],
)
def test_an_interrupt_while_modules_are_imported_is_one_line(module: str, tmp_path: Path) -> None:
    words = ["train", "--out", str(tmp_path / "run")]
    ran = subprocess.run(
        [sys.executable, "-c", _START.format(module=module, words=words)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 130
    assert ran.stderr == "\ninterrupted\n"
    assert not (tmp_path / "run").exists()
