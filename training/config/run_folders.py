"""What the folders of runs have in common: their settings, and one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.config.sections import ConfigError, Section, changed_fields

CONFIG = "config.json"

S = TypeVar("S", bound=Section)


class RunBusyError(AnchorgymError, BlockingIOError):
    """Another process is at work in the folder."""


def read_settings(model: type[S], folder: Path, command: str) -> S:
    """Return the settings of the run that a folder holds.

    Args:
        model: of the settings.
        folder: of the run.
        command: that makes such runs.

    Raises:
        ConfigError: it holds none, or one of other settings.
    """
    try:
        return model.parse_json((folder / CONFIG).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{folder} holds no run ({CONFIG} is missing): give the folder that `{command}` named"
        ) from error


def require_equal(given: Section, kept: Section, folder: Path) -> None:
    """Refuse to go on with a run under other settings than its own.

    Raises:
        ConfigError: naming each that differs.
    """
    fields = changed_fields(kept, given)
    if fields:
        raise ConfigError(
            f"{folder} was begun with other settings: {'; '.join(fields)}. Resume it with its own, "
            "or begin a new run in another folder"
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out; the lock ends with the process, however that ends.

    Raises:
        RunBusyError: there is another.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunBusyError(
                f"another process is at work in {folder}: wait for it, or end it"
            ) from error
        yield
    finally:
        os.close(handle)
