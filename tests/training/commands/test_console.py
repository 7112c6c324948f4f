"""The console script as a user's shell runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import anchorgym, begin_anchorgym

ANCHORGYM = (str(Path(sys.executable).with_name("anchorgym")),)
ENV = "anchorgym/ALFWorld-v0"
LOUDER = ("train", "--env", ENV, "--algorithm", "own:Louder", "--dry-run")

OWN = '''
"""Gives every turn the same advantage."""

from dataclasses import dataclass

from anchorgym.agents.policies.scripted import RandomPolicy
from anchorgym.gigpo.algorithms.grpo import GRPO


@dataclass(frozen=True, kw_only=True)
class Louder(GRPO):
    """GRPO, times a factor."""

    factor: float = 2.0

    def advantages(self, batch, state=None):
        return self.factor * super().advantages(batch, state)


class Gambler(RandomPolicy):
    """Plays at random."""


class Silent:
    """No policy at all."""

    def __init__(self, seed=0):
        pass
'''

BROKEN = """
def helper():
    return 1 / 0

value = helper()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "torch.py").write_text("raise SystemExit('the torch.py of the user')")
    return tmp_path


def test_modules_of_the_current_directory_are_found_and_hide_nothing(folder: Path) -> None:
    words = ("--env", ENV, "--tasks", "2", "--env.max-turns", "3", "--json")
    command = [*ANCHORGYM, "evaluate", "own:Gambler", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["policies"][0]["name"] == "own:Gambler"


def test_an_algorithm_of_ones_own_has_options(folder: Path) -> None:
    done = anchorgym(folder, *LOUDER, "--algorithm.factor", "3")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["algorithm"]["factor"] == 3.0


def test_a_misspelt_option_of_ones_own_algorithm_gets_a_suggestion(folder: Path) -> None:
    done = anchorgym(folder, *LOUDER, "--algorithm.factr", "1")
    assert done.returncode == 2
    assert "Did you mean 'factor'" in done.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("evaluate", "own:Silent", "--env", ENV), "which is no policy"),
        (("train", "--policy", "own:Gambler", "--dry-run"), "cannot be trained"),
    ],
)
def test_a_policy_of_ones_own_that_cannot_do_it_is_refused(
    folder: Path, words: tuple[str, ...], problem: str
) -> None:
    done = anchorgym(folder, *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert problem in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--algorithm", "broken:X", "--dry-run"),
        ("check", "broken:me/X-v0"),
        ("envs", "broken:"),
        ("evaluate", "broken:X", "--env", ENV),
    ],
)
def test_an_error_of_ones_own_module_is_shown_where_it_happened(
    folder: Path, words: tuple[str, ...]
) -> None:
    done = anchorgym(folder, *words)
    assert done.returncode == 2
    assert "return 1 / 0" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert done.stderr.count('File "') == 2, "only the user's own frames"
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")


def test_the_whole_traceback_is_shown_when_it_is_asked_for(folder: Path) -> None:
    for done in (
        anchorgym(folder, "--debug", "trian"),
        anchorgym(folder, "trian", ANCHORGYM_DEBUG="1"),
    ):
        assert done.returncode == 2
        assert "Traceback (most recent call last)" in done.stderr
    assert "Traceback" not in anchorgym(folder, "trian", ANCHORGYM_DEBUG="0").stderr


def test_the_version_is_told(folder: Path) -> None:
    assert anchorgym(folder, "--version").stdout.startswith("anchorgym ")


def test_whoever_has_read_enough_may_close_the_pipe(folder: Path) -> None:
    pipe = subprocess.Popen(
        [*ANCHORGYM, "train", "--help"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert pipe.stdout is not None
    assert pipe.stderr is not None
    pipe.stdout.close()
    assert pipe.stderr.read() == b""
    assert pipe.wait() == 0
    pipe.stderr.close()


def test_an_interrupted_run_says_how_it_is_gone_on_with(folder: Path) -> None:
    words = ("overcooked", "train", "--out", "cook", "--ppo.iterations", "3")
    running = begin_anchorgym(folder, *words)
    deadline = time.monotonic() + 120
    while not (folder / "cook/config.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGINT)
    done = running.wait()
    assert done.returncode == 130
    told = "interrupted: go on with `anchorgym overcooked train --resume cook`"
    assert done.stderr.strip() == told
    assert not (folder / "cook/policy").exists()
    assert anchorgym(folder, "overcooked", "train", "--resume", "cook").returncode == 0
    assert (folder / "cook/policy/cook.json").exists()
