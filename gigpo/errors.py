"""Errors of `anchorgym.gigpo`. Each message ends with what to do about it."""

from __future__ import annotations


class BatchError(ValueError):
    """The rows given do not make a batch."""


class LengthMismatchError(BatchError):
    """Columns disagree about the number of rows, or a column is not one-dimensional."""


class NonFiniteError(BatchError):
    """A reward or return is NaN, infinite, or too large to add up."""


class ColumnError(BatchError):
    """A column holds values of the wrong kind."""


class TrajectoryGroupError(BatchError):
    """The rows of one trajectory disagree about its group, fork, parent or role."""


class RepeatedTurnError(BatchError):
    """A turn of a trajectory occurs twice."""


class IdTypeError(BatchError, TypeError):
    """An id is neither hashable nor an array."""


class TextTypeError(BatchError, TypeError):
    """Similarity was asked for, but there is no text to compare."""


class UnknownParentError(BatchError):
    """A fork names a parent that is not in the batch."""


class MissingColumnError(BatchError):
    """An algorithm needs a column that the batch does not have."""


class MissingForksError(MissingColumnError):
    """An algorithm values states by the forks that begin in them, and there are none."""


class OptionError(ValueError):
    """An option has a value it cannot take; `option` is its name."""

    def __init__(self, message: str, option: str = "") -> None:
        super().__init__(message)
        self.option = option


class UnknownOptionError(OptionError, TypeError):
    """An algorithm has no such option."""


class UnknownAlgorithmError(ValueError):
    """No algorithm has this name."""


class AlgorithmCheckError(AssertionError):
    """An algorithm breaks what it promises; the message is the report."""
