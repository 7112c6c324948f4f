"""Errors of the environments. Each message says what is wrong and what to do about it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class AnchorgymError(Exception):
    """Base of every error that anchorgym raises on purpose."""


class UnknownTaskError(AnchorgymError, LookupError):
    """A task id that the environment does not know."""

    def __init__(self, task: object, known: Iterable[str] = (), hint: str = "") -> None:
        self.task = task
        super().__init__(f"unknown task {task!r}.{did_you_mean(task, known)}{_spaced(hint)}")


class UnknownEnvError(AnchorgymError, LookupError):
    """An environment id that nobody registered."""


class UnknownSplitError(AnchorgymError, LookupError):
    """A split that the environment does not have."""

    def __init__(self, split: object, known: Iterable[str]) -> None:
        known = tuple(known)
        super().__init__(
            f"unknown split {split!r}.{did_you_mean(split, known)} "
            f"This environment has: {', '.join(known)}."
        )


class DataError(AnchorgymError):
    """Data that is missing, incomplete or not what its place promises."""


class CorruptGameError(DataError):
    """A game file that cannot be read as a game."""


class LayoutError(DataError, ValueError):
    """A grid or set of rules that no kitchen can be built from."""


class SnapshotError(AnchorgymError, ValueError):
    """Bytes that are no snapshot of this environment: foreign, stale or damaged."""


class OptionError(AnchorgymError, ValueError):
    """An option that the environment does not take."""


class NoExpertError(AnchorgymError, NotImplementedError):
    """The environment has no expert of the kind that was asked for."""


class ResetNeededError(AnchorgymError, RuntimeError):
    """A method that needs a running episode was called before `reset`."""


class MissingExtraError(AnchorgymError, ImportError):
    """A package that only an extra of anchorgym installs is missing."""

    def __init__(self, needed_by: str, extra: str) -> None:
        super().__init__(
            f'{needed_by} needs packages that are not installed: pip install "anchorgym[{extra}]"'
        )


class ContractError(AnchorgymError, TypeError):
    """A world that does not keep its part of the environment contract."""


class OutcomeError(ContractError):
    """An action whose result is no outcome."""


class EnvCheckError(ContractError):
    """An environment that `check_env` found faults in; the message is the report's summary."""


@contextmanager
def requires_extra(extra: str, needed_by: str) -> Iterator[None]:
    """Guard the imports of packages that only an extra of anchorgym installs.

        with requires_extra("webshop", "anchorgym/WebShop-v0"):
            from thefuzz import fuzz

    Args:
        extra: the name in `pip install "anchorgym[extra]"`.
        needed_by: what cannot be done without it, to open the error's message.

    Raises:
        MissingExtraError: an import inside failed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(needed_by, extra) from error


def reason_of(error: BaseException) -> str:
    """Say in words why something could not be read, for the message of another error."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start}"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON, {error.msg[:1].lower()}{error.msg[1:]} in line {error.lineno}"
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing" if error.args else "a key is missing"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(error).split())[:200] or type(error).__name__


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(str(name)[:200], list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def _spaced(hint: str) -> str:
    return f" {hint}" if hint else ""
