"""Setting the battle simulator up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from damaged_caches import check_every_damage
from vgc_battles import require_simulator

from anchorgym.envs.vgc import installation
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.errors import NodeMissingError, SetupError, SimulatorMissingError
from anchorgym.training.cli import main


def test_the_lock_file_pins_what_the_package_asks_for() -> None:
    lock = json.loads((installation.SCRIPTS / "package-lock.json").read_text())
    packages = lock["packages"]
    pinned = packages["node_modules/pokemon-showdown"]
    assert pinned["version"] == installation.pinned_version()
    assert all("integrity" in package for name, package in packages.items() if name)


def test_a_missing_simulator_is_said_to_be_missing_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path))
    with pytest.raises(SimulatorMissingError, match="anchorgym setup vgc") as caught:
        installation.simulator()
    assert str(tmp_path) in str(caught.value)


def test_the_user_cache_is_where_it_goes_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANCHORGYM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert installation.simulator_folder().parent == tmp_path / "anchorgym"


def test_without_a_registry_the_setup_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require_simulator()
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    assert main(["setup", "vgc"]) == 2
    assert "registry" in capsys.readouterr().err
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_simulator_that_is_not_as_it_was_installed_is_not_used_and_installed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(installation, "_run_npm", write_package)

    def is_right() -> bool:
        with pytest.raises(SimulatorMissingError, match="anchorgym setup vgc"):
            installation.simulator()
        return installation.install() == installation.simulator()

    assert is_right()
    check_every_damage(installation.simulator_folder(), is_right)
    (installation.simulator() / "package.json").write_text("{}")
    with pytest.raises(SimulatorMissingError, match=r"damaged .*package\.json"):
        installation.simulator()


def write_package(folder: Path) -> None:
    """Write what npm would, in short."""
    package = folder / "node_modules" / "pokemon-showdown"
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": installation.pinned_version()}))
    (package / "dist" / "battle.js").write_text("module.exports = {turns: 100};")


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "file"))
    with pytest.raises(SetupError, match="ANCHORGYM_CACHE"):
        installation.install()


def test_no_node_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    installation.node.cache_clear()
    monkeypatch.setattr(installation, "_wheel", lambda program: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NodeMissingError, match=r"pip install \"anchorgym\[vgc\]\""):
        installation.node()
    installation.node.cache_clear()


def test_an_old_node_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v12.22.0\n")
    old.chmod(0o755)
    installation.node.cache_clear()
    monkeypatch.setattr(installation, "_wheel", lambda program: str(old))
    with pytest.raises(NodeMissingError, match="v12"):
        installation.node()
    installation.node.cache_clear()


def test_what_is_installed_is_not_installed_again(capsys: pytest.CaptureFixture[str]) -> None:
    require_simulator()
    assert main(["setup", "vgc"]) == 0
    assert "was there already" in capsys.readouterr().out


def test_a_set_up_simulator_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, simulator: None
) -> None:
    for variable in ("http_proxy", "https_proxy", "npm_config_registry"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    bridge = Bridge()
    assert bridge.make_team("gen9vgc2025regi", (1, 2, 3, 4)).count("]") == 5
    bridge.close()
