"""What is installed: every subpackage and its data, in one namespace, and nothing beside it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("agents", "assets", "envs", "gigpo", "training")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    built = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def source_files() -> set[str]:
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file())
    return {
        f"anchorgym/{path.relative_to(ROOT)}"
        for path in files
        if "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def test_the_wheel_holds_every_module_and_data_file(wheel: zipfile.ZipFile) -> None:
    missing = source_files() - set(wheel.namelist())
    assert not missing


def test_the_wheel_holds_one_namespace_and_nothing_beside_it(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"anchorgym"}
    assert "anchorgym/__init__.py" not in wheel.namelist()
    assert not any("tests" in name.split("/") for name in wheel.namelist())


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "anchorgym = anchorgym.training.__main__:main" in wheel.read(entry_points).decode()


def test_the_wheel_works_where_only_it_is_installed(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = (
        f"import sys; sys.meta_path = [f for f in sys.meta_path if 'ditable' not in repr(f)];"
        f"sys.path.insert(0, {str(tmp_path)!r});"
        "import gymnasium, anchorgym.envs as e;"
        f"assert e.__file__.startswith({str(tmp_path)!r}), e.__file__;"
        "env = gymnasium.make('anchorgym/ALFWorld-v0'); print(env.reset(seed=0)[0][:20])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("-= Welcome")


def requirements() -> dict[str, list[Requirement]]:
    """Return what the core ("") and each extra require, extras of ours taken apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: [r for r in map(Requirement, lines) if r.name != "anchorgym"]
        for extra, lines in extras.items()
    }


def pins() -> dict[str, str]:
    """Return the version of each package in constraints.txt, by its normal name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("extra", requirements())
def test_the_versions_tested_together_are_within_the_ranges_declared(extra: str) -> None:
    pinned = pins()
    for requirement in requirements()[extra]:
        name = canonicalize_name(requirement.name)
        if extra in ("nouns", "vllm"):  # nothing of them is installed for the tests
            continue
        assert name in pinned, f"constraints.txt has no version of {name}"
        assert requirement.specifier.contains(pinned[name]), (str(requirement), pinned[name])


def test_the_core_and_the_extras_share_no_package() -> None:
    named = requirements()
    core = {canonicalize_name(r.name) for r in named.pop("")}
    assert not core & {canonicalize_name(r.name) for lines in named.values() for r in lines}


def test_every_extra_that_an_error_names_is_declared() -> None:
    call = re.compile(
        r'(?:requires_extra\(|MissingExtraError\([^()]*, )"([\w-]+)"|anchorgym\[([\w-]+)\]'
    )
    sources = [
        path.read_text(encoding="utf-8") for f in FOLDERS for path in (ROOT / f).rglob("*.py")
    ]
    sources.append((ROOT / "README.md").read_text(encoding="utf-8"))
    found = {one or other for text in sources for one, other in call.findall(text)}
    assert {"redteam", "tensorboard", "textworld", "vgc", "webshop", "webshop-site"} <= found
    assert found - {"extra", "NAME"} <= set(requirements())
