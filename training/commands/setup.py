"""`anchorgym setup`: install what a world needs beside Python packages."""

from __future__ import annotations

import argparse

from anchorgym.training.commands import EXIT_OK

HELP = "install what a world needs beside Python packages"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "vgc: the battle simulator, from npm at a pinned version, into the cache folder "
        "(ANCHORGYM_CACHE, or anchorgym/ in the user's cache). Needs the network once."
    )
    parser.add_argument("world", choices=["vgc"], help="what to set up")
    parser.add_argument("--force", action="store_true", help="install anew what is there")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Install, unless it is there, and say where."""
    from anchorgym.envs.vgc.installation import install, is_installed, pinned_version

    there = is_installed() and not known.force
    folder = install(force=known.force)
    state = "was there already" if there else "installed"
    print(f"pokemon-showdown {pinned_version()} {state}: {folder}")
    return EXIT_OK
