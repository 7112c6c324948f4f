"""The registry of worlds, which add commands, players, record formats and set-ups.

Each folder of `training/worlds/` has a module `world` with its `WORLD`. Another package adds a
world with an entry point of the group `anchorgym.worlds` that names such an object:

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
from contextlib import suppress
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
    """Loads the players of one world."""

    def recognises(self, folder: Path) -> bool:
        """Whether a folder holds a player of the world."""
        ...

    def load(self, folder: Path, env: Any, seed: int) -> Policy:
        """Return the player of a folder, to play in an environment."""
        ...


class RecordFormat(Protocol):
    """A format of recorded episodes that only one world can execute."""

    def recognises(self, path: Path) -> bool:
        """Whether a file is of this format."""
        ...

    def replay(
        self, files: Sequence[Path], *, verify: bool, pages: Path | None, only: int | None
    ) -> int:
        """Show episodes, write a page of each, or execute them again; return the exit status.

        Args:
            files: files of this format.
            verify: whether to execute the episodes again and compare.
            pages: folder for a page of each episode; None writes none.
            only: number of a single episode in its file, from 1; None takes all.
        """
        ...


class Installer(Protocol):
    """Installs what a world needs in addition to Python packages."""

    def __call__(self, *, force: bool) -> str:
        """Install if it is missing or `force` is true; return a line on what is where."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """A world's entry in the registry.

    Attributes:
        name: name of the world, and of its group of commands.
        summary: one sentence about those commands.
        commands: `Command` of each name in the group, as `module:Name`.
        former: present names of commands, by their former names.
        players: `PlayerLoader` as `module:Name`; empty if the world has no players of its own.
        records: `RecordFormat` as `module:Name`; empty if its episodes have the general format.
        setup: `Installer` as `module:Name`; empty if there is nothing to install.
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
    """Return all worlds by name, those of this package first.

    An entry point that cannot be loaded, or that names no `World`, is left out with a warning, so
    that a package of somebody else does not take the other commands away.
    """
    import anchorgym.training.worlds as package

    found: dict[str, World] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg:
            name = f"{package.__name__}.{module.name}.world"
            world: World = load_module(
                name, "the commands of a world", "module:Name", installed=True
            ).WORLD
            found[world.name] = world
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            world = load_object(entry.value, "a world", installed=True)
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
    """Return the loader that recognises a folder; None if there is none."""
    for world in worlds().values():
        if world.players:
            loader: PlayerLoader = load_object(
                world.players, "a loader of players", installed=True
            )()
            if loader.recognises(folder):
                return loader
    return None


def find_record_format(path: Path) -> RecordFormat | None:
    """Return the format that recognises a file; None for the general format."""
    for world in worlds().values():
        if world.records:
            records: RecordFormat = load_object(
                world.records, "a format of records", installed=True
            )()
            with suppress(ValueError, RecursionError):  # of a file that is nobody's
                if records.recognises(path):
                    return records
    return None
