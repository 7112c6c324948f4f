"""Installation of the battle simulator from the command line."""

from __future__ import annotations

from anchorgym.envs.vgc.installation import install, is_installed, pinned_version


def install_simulator(*, force: bool) -> str:
    """Install the simulator if it is missing or `force` is true; return a line on where it is."""
    there = is_installed() and not force
    folder = install(force=force)
    state = "was there already" if there else "installed"
    return f"pokemon-showdown {pinned_version()} {state}: {folder}"
