"""The game's own tables, which every player may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from anchorgym.envs.vgc.bridge import shared_bridge


@dataclass(frozen=True, eq=False)
class Knowledge:
    """The tables of one format.

    They are read once for all environments of a process.
    """

    format: str
    tables: Mapping[str, Any]
    """Moves, species, items, abilities by id, and the type chart; see `Bridge.tables`."""
    layout: Mapping[str, Any]
    """What the tokens mean; see `Bridge.layout`."""

    def move(self, name: str) -> Mapping[str, Any]:
        """Return what is known of a move by its id; nothing of an unknown one."""
        entry: Mapping[str, Any] = self.tables["moves"].get(name, {})
        return entry

    def effectiveness(self, attacking: str, defending: tuple[str, ...]) -> float:
        """Return the factor of a type's damage against types: 0, 0.25, … 4."""
        chart = self.tables["types"].get(attacking, {})
        factor = 1.0
        for kind in defending:
            factor *= chart.get(kind, 1.0)
        return factor


@lru_cache(maxsize=16)
def knowledge(format: str) -> Knowledge:
    """Return the tables of a format.

    Raises:
        BridgeError: the simulator knows no such double format.
        SimulatorMissingError, NodeMissingError: it is not set up.
    """
    bridge = shared_bridge()
    return Knowledge(format, bridge.tables(format), bridge.layout(format))
