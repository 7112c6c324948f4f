"""Errors of rollouts."""

from __future__ import annotations

from anchorgym.envs.errors import AnchorgymError, ContractError


class SeatError(ContractError):
    """An agent without a policy, or an agent that came back after it had left."""


class RewardError(ContractError):
    """A reward that is not a finite number."""


class DriverError(ContractError):
    """A driver that has not played every run to its end."""


class ForkError(AnchorgymError, ValueError):
    """A fork from an episode that cannot be forked."""
