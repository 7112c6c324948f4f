"""Errors of episodes that cannot be played."""

from __future__ import annotations

from anchorgym.envs.errors import AnchorgymError, ContractError


class SeatError(ContractError):
    """An agent that nobody plays, or that the world does not treat as one agent."""


class RewardError(ContractError):
    """A reward that is not a finite number."""


class DriverError(ContractError):
    """A driver that has not played every run to its end."""


class ForkError(AnchorgymError, ValueError):
    """A fork of an episode that cannot be forked."""
