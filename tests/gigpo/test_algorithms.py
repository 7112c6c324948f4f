"""Algorithms are found by name, and say what they accept."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from anchorgym.gigpo import (
    Algorithm,
    TurnBatch,
    advantages,
    algorithm_names,
    find_algorithm,
    make_algorithm,
)
from anchorgym.gigpo.errors import OptionError, UnknownAlgorithmError, UnknownOptionError

BATCH = TurnBatch.from_rows(group=[0, 0], trajectory=[0, 1], anchor=[0, 0], reward=[0, 1])


def test_every_algorithm_is_found_and_has_defaults() -> None:
    assert {"grpo", "gigpo"} <= set(algorithm_names())
    for name in algorithm_names():
        algorithm = make_algorithm(name)
        assert isinstance(algorithm, Algorithm)
        assert type(algorithm) is find_algorithm(name)
        assert algorithm.__doc__


def test_unknown_algorithm() -> None:
    with pytest.raises(UnknownAlgorithmError, match=r"'gigop'. Did you mean 'gigpo'\?.*grpo"):
        advantages("gigop", BATCH)
    with pytest.raises(ValueError, match="The algorithms: "):
        find_algorithm("__init__")


def test_unknown_option() -> None:
    with pytest.raises(
        UnknownOptionError, match=r"gigpo has no option 'gama'. Did you mean 'gamma'\?.*norm"
    ):
        advantages("gigpo", BATCH, gama=0.9)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("gamma", 1.5, r"gamma=1.5 is not a number in \[0, 1\]"),
        ("gamma", float("nan"), "gamma=nan"),
        ("gamma", "0.9", "gamma='0.9' is not a number"),
        ("gamma", True, "gamma=True"),
        ("norm", "std", "norm='std' is not one of 'mean', 'mean_std'"),
        ("similarity", 0.0, r"a number in \(0, 1\] or None"),
        ("step_weight", -1, r"a number in \[0, inf\)"),
        ("step_weight", float("inf"), "step_weight=inf"),
        ("invalid_penalty", -0.1, "invalid_penalty"),
        ("penalty_in_steps", 1, "True or False"),
        ("compat", "verl", "one of 'verl-agent' or None"),
        ("stats", "rows", "one of 'trajectory', 'turn' or None"),
        ("dual_clip", 1.0, r"\(1, inf\)"),
    ],
)
def test_bad_option(option: str, value: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make_algorithm("gigpo", **{option: value})


def test_defaults_are_the_papers() -> None:
    values = {field.name: field.default for field in fields(find_algorithm("gigpo"))}
    assert values["gamma"] == 0.95
    assert values["step_weight"] == 1.0
    assert (values["clip_low"], values["clip_high"], values["dual_clip"]) == (0.2, 0.2, 3.0)
    assert (values["kl_coef"], values["kl"], values["entropy_coef"]) == (0.01, "k3", 0.001)


@pytest.mark.parametrize("name", algorithm_names())
def test_clip_ranges_are_the_papers(name: str) -> None:
    published = {
        "dapo": (0.2, 0.28, None),
        "gspo": (3e-4, 4e-4, None),
        "hapo": (0.2, 0.2, None),
        "ngrpo": (0.16, 0.24, 3.0),
    }
    made: Any = make_algorithm(name)
    found = (made.clip_low, made.clip_high, made.dual_clip)
    assert found == published.get(name, (0.2, 0.2, 3.0))


def test_default_decisions() -> None:
    algorithm = make_algorithm("gigpo")
    state = algorithm.initial_state()
    assert state == {}
    assert algorithm.allocate(["a", "b", "c"], 8, state).tolist() == [3, 3, 2]
    assert algorithm.allocate([], 8, state).tolist() == []
    assert algorithm.keep(BATCH, state).tolist() == [True]
    assert algorithm.minibatch_unit == "turn"


def test_estimators_do_not_need_torch() -> None:
    code = (
        "import sys; from anchorgym.gigpo import TurnBatch, advantages\n"
        "batch = TurnBatch.from_rows(group=[0], trajectory=[0], anchor=[0], reward=[0])\n"
        "advantages('gigpo', batch); advantages('grpo', batch, compat='verl-agent')\n"
        "assert 'torch' not in sys.modules\n"
        "from anchorgym.gigpo import ppo_loss\n"
        "assert 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_an_algorithm_of_the_users_own_is_found_by_module_and_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_judges.py").write_text(
        "from dataclasses import dataclass\n"
        "from anchorgym.gigpo.algorithms.grpo import GRPO\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Doubled(GRPO):\n"
        "    factor: float = 2.0\n"
        "    def advantages(self, batch, state=None):\n"
        "        return self.factor * super().advantages(batch, state)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    ours = advantages("grpo", BATCH, norm="mean")
    assert advantages("my_judges:Doubled", BATCH, norm="mean", factor=3.0) == pytest.approx(
        3.0 * ours
    )
    with pytest.raises(UnknownOptionError, match=r"no option 'factr'. Did you mean 'factor'\?"):
        make_algorithm("my_judges:Doubled", factr=3.0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_judges:Doubled", "No module named 'no_such_judges'"),
        ("my judges:Doubled", "the form is module:Class"),
        ("dataclasses:Doubled", "has no attribute 'Doubled'"),
        ("pathlib:Path", "an algorithm is a subclass of"),
        ("pathlib:Pth", "Did you mean 'Path'"),
    ],
)
def test_a_reference_that_leads_to_no_algorithm_is_refused(name: str, said: str) -> None:
    with pytest.raises(UnknownAlgorithmError, match=said):
        find_algorithm(name)
