"""What importing a package costs: nothing that is not needed yet is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType

import pytest

import anchorgym.agents
import anchorgym.envs
import anchorgym.gigpo
import anchorgym.training

SLOW = {"torch", "transformers", "scipy", "matplotlib", "tensorboard", "PIL", "rich"}
WORLDS = sorted(
    {*anchorgym.envs.worlds.SINGLE_AGENT.values(), *anchorgym.envs.worlds.MULTI_AGENT.values()}
)
OPTIONAL = {"flask", "thefuzz", "snowballstemmer", "textworld", "reasoning_gym", "spacy"}
PACKAGES = ("envs", "gigpo", "agents", "training")


def imported(code: str) -> set[str]:
    """Return the modules that are there after code has run in a process of its own."""
    code = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_nothing_slow_or_optional(package: str) -> None:
    assert not imported(f"import anchorgym.{package}") & (SLOW | OPTIONAL)


@pytest.mark.parametrize("entry_point", WORLDS)
def test_importing_a_world_imports_nothing_optional(entry_point: str) -> None:
    assert not imported(f"import {entry_point.partition(':')[0]}") & (OPTIONAL | {"torch"})


def test_importing_the_environments_imports_no_world() -> None:
    modules = imported("import anchorgym.envs")
    worlds = [entry.partition(":")[0] for entry in anchorgym.envs.worlds.MULTI_AGENT.values()]
    worlds += [entry.partition(":")[0] for entry in anchorgym.envs.worlds.SINGLE_AGENT.values()]
    assert worlds
    assert not {world.rpartition(".")[0] for world in worlds} & modules
    assert "anchorgym.envs.checking.check" not in modules


def test_a_world_is_imported_when_it_is_made() -> None:
    code = "import anchorgym.envs as e; e.make_parallel('anchorgym/RoCoSweep-v0')"
    modules = imported(code)
    assert "anchorgym.envs.roco.env" in modules
    assert "anchorgym.envs.webshop" not in modules


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_that_a_package_offers_is_there(package: str) -> None:
    """None of them is hidden by a module of the same name."""
    module = getattr(anchorgym, package)
    for name in module.__all__:
        assert not isinstance(getattr(module, name), ModuleType), name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = module.Nothing


@pytest.mark.parametrize("env_id", [*anchorgym.envs.worlds.SINGLE_AGENT])
def test_the_classes_of_registered_worlds_are_exported(env_id: str) -> None:
    name = anchorgym.envs.worlds.SINGLE_AGENT[env_id].partition(":")[2]
    assert name in anchorgym.envs.__all__
    assert getattr(anchorgym.envs, name).__name__ == name
