"""The number of threads: one for every command, unless the user says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from anchorgym.training.run.threads import tensor_threads

SHOW = """
import anchorgym.training.cli, torch, os
print(os.environ["OMP_NUM_THREADS"], torch.get_num_threads())
"""


@pytest.mark.parametrize(("given", "seen"), [(None, "1 1"), ("", "1 1"), ("2", "2 2")])
def test_every_command_has_one_thread_unless_the_user_says_otherwise(
    given: str | None, seen: str
) -> None:
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    env |= {} if given is None else {"OMP_NUM_THREADS": given}
    done = subprocess.run([sys.executable, "-c", SHOW], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == seen, done.stderr


@pytest.mark.parametrize(
    ("variable", "setting", "seen"), [("2", None, 2), ("2", 1, 1), ("", None, 1), ("many", None, 1)]
)
def test_a_setting_wins_over_the_variable(
    variable: str, setting: int | None, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    before = torch.get_num_threads()
    with tensor_threads(setting):
        assert torch.get_num_threads() == seen
    assert torch.get_num_threads() == before
