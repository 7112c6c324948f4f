"""What `pip install anchorgym` gives: a wheel in an environment of its own, outside the repository.

Packages that anchorgym needs are borrowed from the environment of the tests: all of them, or only
those that its requirements bring without any extra.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from vgc_battles import require_simulator

ROOT = Path(__file__).resolve().parent.parent
SITE = Path(sysconfig.get_paths()["purelib"])
SMALL_RUN = (
    *("--policy.hidden", "32", "--policy.layers", "2", "--policy.heads", "2"),
    *("--policy.kv-heads", "1", "--policy.vocabulary-tasks", "30"),
    *("--clone.updates", "4", "--clone.batch", "8"),
    *("--rollout.iterations", "1", "--rollout.tasks", "2", "--rollout.group-size", "2"),
    *("--evaluation.tasks", "4", "--evaluation.modes", '["greedy"]', "--env.max-turns", "8"),
)
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """An environment that the wheel is installed in."""

    folder: Path

    def run(self, *words: str, status: int = 0) -> str:
        """Run the installed command there; return what it prints."""
        command = [str(self.folder / "bin" / "anchorgym"), *words]
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        ran = subprocess.run(
            command,
            cwd=self.folder / "work",
            env={**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == status, f"{' '.join(words)}\n{ran.stdout}\n{ran.stderr}"
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    built = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.whl"))


def install(wheel: Path, folder: Path, packages: Path) -> Installed:
    """Install the wheel alone, in an environment that sees the packages of another folder."""
    venv.create(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, *quiet, str(wheel)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(f"{packages}\n")
    (folder / "work").mkdir()
    return Installed(folder)


def core_distributions(wheel: Path) -> Iterator[Distribution]:
    """Yield what the wheel's requirements bring, without any extra."""
    (own,) = Distribution.discover(path=[str(wheel)])
    seen, waiting = {"anchorgym"}, list(own.requires or ())
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        with contextlib.suppress(PackageNotFoundError):  # torch's CUDA, of another build of it
            distribution = Distribution.from_name(name)
            waiting += distribution.requires or ()
            yield distribution


@pytest.fixture(scope="module")
def complete(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("complete") / "venv", SITE)


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("core")
    packages = folder / "packages"
    packages.mkdir()
    for distribution in core_distributions(wheel):
        tops = {file.parts[0] for file in distribution.files or ()}
        for top in tops - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(SITE / top)
    assert (packages / "torch").is_dir()
    assert not (packages / "flask").exists()
    return install(wheel, folder / "venv", packages)


@pytest.fixture(scope="module", params=["complete", "core"])
def installed(request: pytest.FixtureRequest) -> Installed:
    found: Installed = request.getfixturevalue(request.param)
    return found


def commands_of(text: str) -> list[str]:
    """Return the commands that a help text lists, those of a world as `world command`."""
    lines = text.partition("Commands:\n")[2].splitlines()
    listed = [line[2:] for line in lines if re.match(r"  [a-z]", line)]
    names = [re.split(r" {2,}", line)[0] for line in listed]
    groups = [name.partition(" ") for name in names]
    return [f"{name} {inner}".strip() for name, _, inners in groups for inner in inners.split("|")]


def test_every_command_shows_its_help(installed: Installed) -> None:
    commands = commands_of(installed.run("--help"))
    assert {"train", "evaluate", "play", "view", "replay", "check", "envs"} <= set(commands)
    assert {"vgc train", "overcooked crossplay", "webshop serve"} <= set(commands)
    for command in commands:
        installed.run(*command.split(), "--help")


def test_the_main_job_and_what_is_done_with_it(installed: Installed, core: Installed) -> None:
    assert "anchorgym/ALFWorld-v0" in installed.run("envs")
    assert "all checks passed" in installed.run(
        "check", "anchorgym/ALFWorld-v0", "--env.max_turns", "8"
    )
    said = installed.run("train", "--out", "run", *SMALL_RUN)
    folder = installed.folder / "work" / "run"
    assert (folder / "curve.png").is_file()
    assert (folder / "tensorboard").is_dir() == (installed is not core)
    assert ("anchorgym[tensorboard]" in said) == (installed is core)
    installed.run("view", "run")
    assert "<script>" in (folder / "view.html").read_text(encoding="utf-8")
    installed.run("evaluate", "run/policy", "--tasks", "2", "--out", "measured")
    episodes = installed.folder / "work" / "measured" / "episodes.jsonl"
    assert episodes.is_file()
    installed.run("replay", "measured", "--verify")


@pytest.mark.parametrize(
    "env_id",
    ["anchorgym/Overcooked-v0", "anchorgym/RedTeam-v0", "anchorgym/RoCoSweep-v0"],
)
def test_worlds_of_several_agents_need_no_extra(installed: Installed, env_id: str) -> None:
    assert "all checks passed" in installed.run("check", env_id)


def test_an_extra_that_is_missing_is_named(core: Installed) -> None:
    remedy = 'pip install "anchorgym[{}]"'
    assert remedy.format("webshop") in core.run("check", "anchorgym/WebShop-v0", status=2)
    listed = core.run("envs")
    assert remedy.format("webshop") in listed
    assert "Shopping in text" in listed
    assert remedy.format("redteam") in core.run(
        "check", "anchorgym/RedTeam-v0", "--env.work", "reasoning-gym", status=2
    )


def test_webshop_is_played_where_its_extra_is_installed(complete: Installed) -> None:
    assert "all checks passed" in complete.run(
        "check", "anchorgym/WebShop-v0", "--env.n_products", "50"
    )


def test_commands_for_several_agents_run(installed: Installed) -> None:
    small = "--generations 1 --iterations 1 --tasks 2 --group-size 2 --payoff-games 0 --quiet"
    installed.run("selfplay", "anchorgym/RedTeam-v0", "--out", "teams", *small.split())
    shown = installed.run(*["redteam", "evaluate", "teams", "--tasks", "2", "--best-response", "0"])
    assert "attack success" in shown
    cook = "--ppo.iterations 1 --ppo.games 2 --ppo.ticks 10 --ppo.horizon 20 --quiet"
    installed.run("overcooked", "train", "--out", "cook", *cook.split())
    crossed = installed.run(*["overcooked", "crossplay", "greedy", "own=cook", "--games", "1"])
    assert "| own |" in crossed


def test_a_game_is_played_at_the_terminal(installed: Installed) -> None:
    assert "the end" in installed.run(
        *["play", "anchorgym/RedTeam-v0", "--policy", "random", "--seed", "1"]
    )


def test_algorithms_are_listed_and_explained(installed: Installed) -> None:
    assert "gigpo" in installed.run("algorithms")
    assert "step_weight" in installed.run("algorithms", "gigpo")
    assert "vgc" in installed.run("setup")


def test_battles_are_cloned_trained_and_ranked(complete: Installed) -> None:
    """Needs the simulator, which `anchorgym setup vgc` has brought for the other tests."""
    require_simulator()
    net = "--net.width 16 --net.layers 1 --net.heads 2"
    complete.run(*f"vgc clone --battles 4 --epochs 1 {net} --quiet --out clone".split())
    train = "vgc train --start clone --updates 1 --battles 2 --rounds 1 --quiet --out league"
    complete.run(*train.split())
    ranked = complete.run(
        *["vgc", "league", "random", "max-power", "--games", "2", "--out", "ranked"]
    )
    assert "max-power" in ranked


def test_a_shop_is_opened(complete: Installed) -> None:
    command = [complete.folder / "bin" / "anchorgym", "webshop", "serve", "--port", "0"]
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    with subprocess.Popen(
        [*command, "--env.n_products", "50"],
        cwd=complete.folder / "work",
        env={**kept, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as shop:
        assert shop.stdout is not None
        try:
            for line in shop.stdout:
                if found := re.search(r"http://[\d.]+:\d+", line):
                    with urllib.request.urlopen(found[0], timeout=60) as page:
                        assert "WebShop" in page.read().decode()
                    break
            else:
                pytest.fail("the shop gave no address")
        finally:
            shop.send_signal(signal.SIGINT)
