"""What is installed: every subpackage and its data, in one namespace, and nothing beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
    assert "anchorgym = anchorgym.training.cli:main" in wheel.read(entry_points).decode()


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


@pytest.mark.parametrize(
    "module", ["anchorgym.envs", "anchorgym.gigpo", "anchorgym.agents", "anchorgym.training"]
)
def test_importing_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
