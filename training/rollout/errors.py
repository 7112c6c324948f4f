"""Errors of rollouts."""

from __future__ import annotations

from anchorgym.envs.errors import AnchorgymError, ContractError, DataError


class SeatError(ContractError):
    """An agent without a policy, or an agent that came back after it had left."""


class RewardError(ContractError):
    """A reward that is not a finite number."""


class DriverError(ContractError):
    """A driver that has not played every run to its end."""


class ForkError(AnchorgymError, ValueError):
    """A fork from an episode that cannot be forked."""


class BrokenTaskError(DataError):
    """A task that cannot be started, because its data cannot be read.

    Attributes:
        task: id of the task.
        problem: why it cannot be started.
    """

    def __init__(self, task: str, problem: str) -> None:
        self.task, self.problem = task, problem
        super().__init__(f"the task {task!r} cannot be started: {problem}")
