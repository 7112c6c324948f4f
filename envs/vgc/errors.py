"""Errors of the battle simulator and of the bridge to it."""

from __future__ import annotations

from pathlib import Path

from anchorgym.envs.errors import AnchorgymError, DataError


class NodeMissingError(AnchorgymError, FileNotFoundError):
    """No Node.js that could run the simulator."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}. The battle simulator runs on Node.js: "
            'pip install "anchorgym[vgc]" brings one, or put a newer `node` on the PATH.'
        )


class SimulatorMissingError(AnchorgymError, FileNotFoundError):
    """The simulator is not in the cache folder, or not as it was installed."""

    def __init__(self, folder: Path, fault: str = "") -> None:
        state = f"is damaged ({fault})" if fault else "is not installed"
        super().__init__(
            f"the battle simulator {state} in {str(folder)!r}: run "
            "`anchorgym setup vgc` once, while online. ANCHORGYM_CACHE names another folder."
        )


class SetupError(AnchorgymError, RuntimeError):
    """The simulator could not be installed."""


class BridgeError(AnchorgymError, RuntimeError):
    """The simulator refused a request; the battles are as they were."""


class TeamError(DataError):
    """A team that the format does not allow, or that cannot be read."""
