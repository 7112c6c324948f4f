"""`anchorgym setup`: install what a world needs beside Python packages."""

from __future__ import annotations

from argparse import Namespace

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import Command, Settings, UsageError, switch, word


def run(known: Namespace, given: Settings) -> int:
    """Install what is missing, and print where it is."""
    from anchorgym.envs.errors import did_you_mean
    from anchorgym.envs.plugins import load_object
    from anchorgym.training.worlds.registry import Installer, worlds

    ready = {name: world for name, world in worlds().items() if world.setup}
    if known.world is None:
        for name, world in ready.items():
            print(f"{name}\t{world.setup_about}")
        return EXIT_OK
    if known.world not in ready:
        raise UsageError(
            f"there is nothing to set up for {known.world!r}.{did_you_mean(known.world, ready)} "
            f"There are: {', '.join(ready)}"
        )
    install: Installer = load_object(ready[known.world].setup, "an installer", installed=True)
    print(install(force=known.force))
    return EXIT_OK


COMMAND = Command(
    name="setup",
    summary="Install what a world needs beside Python packages.",
    about="""
        Without a name, lists the worlds that have something to install. With a name, installs a
        pinned version into the cache folder (ANCHORGYM_CACHE, or anchorgym/ in the user's cache)
        and prints where it is. The installation needs the network once.""",
    examples=("anchorgym setup", "anchorgym setup vgc"),
    arguments=(
        word("world", "WORLD", "World to set up; by default, all worlds with a set-up are listed."),
        switch("--force", "Install again even if it is already installed."),
    ),
    run=run,
)
