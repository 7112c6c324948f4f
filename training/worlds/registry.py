"""What a world adds to the general commands: its own commands, players, records and set-up.

Each folder of `training/worlds/` has a module `world` with its `WORLD`. A package of somebody else
adds a world with an entry point of the group `anchorgym.worlds` that names such an object:

    [project.entry-points."anchorgym.worlds"]
    chess = "my_chess.world:WORLD"

Everything is named as `module:Name` and imported when it is used, so that listing the commands
imports no world.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from anchorgym.envs.plugins import PluginError, load_module, load_object

if TYPE_CHECKING:
    from anchorgym.agents.policies.base import Policy

_log = logging.getLogger(__name__)
GROUP: Final = "anchorgym.worlds"
"""Group of the entry points that name worlds."""


class PlayerLoader(Protocol):
    """Loads players that only one world has."""

    def recognises(self, folder: Path) -> bool:
        """Whether a folder holds such a player."""
        ...

    def load(self, folder: Path, env: Any, seed: int) -> Policy:
        """Return the player of a folder, to play in an environment."""
        ...


class RecordFormat(Protocol):
    """Files of recorded episodes that only one world can execute."""

    def recognises(self, path: Path) -> bool:
        """Whether a file is of this format."""
        ...

    def replay(
        self, files: Sequence[Path], *, verify: bool, pages: Path | None, only: int | None
    ) -> int:
        """Show episodes, write a page of each, or execute them again; return the exit status.

        Args:
            files: of this format.
            verify: whether to execute the episodes again and compare.
            pages: folder for a page of each episode; None writes none.
            only: number of the one episode in its file, from 1; None takes all.
        """
        ...


class Installer(Protocol):
    """Installs what a world needs beside Python packages."""

    def __call__(self, *, force: bool) -> str:
        """Install, unless it is there or `force` is given; return a line about what is where."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """A world, as the general commands know it.

    Attributes:
        name: of the world, and of its group of commands.
        summary: one sentence about those commands.
        commands: by their name in the group, each a `Command` as `module:Name`.
        former: names that commands had before, with the name in the group that each has now.
        players: a `PlayerLoader` as `module:Name`; empty where the world has no players of its own.
        records: a `RecordFormat` as `module:Name`; empty where its episodes are like all others.
        setup: an `Installer` as `module:Name`; empty where there is nothing to install.
        setup_about: one sentence about what `setup` installs.
    """

    name: str
    summary: str
    commands: Mapping[str, str]
    former: Mapping[str, str] = field(default_factory=dict)
    players: str = ""
    records: str = ""
    setup: str = ""
    setup_about: str = ""


@functools.cache
def worlds() -> dict[str, World]:
    """Return all worlds by name, ours first.

    An entry point that cannot be loaded, or that names no `World`, is left out with a warning, so
    that a package of somebody else does not take the other commands away.
    """
    import anchorgym.training.worlds as package

    found: dict[str, World] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg:
            name = f"{package.__name__}.{module.name}.world"
            world: World = load_module(name, "the commands of a world", "module:Name").WORLD
            found[world.name] = world
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            world = load_object(entry.value, "a world")
        except PluginError as error:
            _log.warning("the world %r is left out: %s", entry.name, error)
            continue
        if not isinstance(world, World):
            _log.warning(
                "the world %r is left out: %s is no anchorgym.training.worlds.registry.World",
                *(entry.name, entry.value),
            )
            continue
        found.setdefault(world.name, world)
    return found


def find_player_loader(folder: Path) -> PlayerLoader | None:
    """Return the world's loader that recognises a folder; None where there is none."""
    for world in worlds().values():
        if world.players:
            loader: PlayerLoader = load_object(world.players, "a loader of players")()
            if loader.recognises(folder):
                return loader
    return None


def find_record_format(path: Path) -> RecordFormat | None:
    """Return the world's format that recognises a file; None where it is like all others."""
    for world in worlds().values():
        if world.records:
            records: RecordFormat = load_object(world.records, "a format of records")()
            if records.recognises(path):
                return records
    return None
