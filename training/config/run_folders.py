"""Folders of runs: their names, their settings, and one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.config.durable import write_file
from anchorgym.training.config.section import ConfigError, Section, changed_fields

CONFIG = "config.json"
RUNS = Path("runs")
"""Where the folders of runs are, unless a name is given."""

S = TypeVar("S", bound=Section)


class RunBusyError(AnchorgymError, BlockingIOError):
    """Another process is at work in the folder."""


class RunExistsError(AnchorgymError, FileExistsError):
    """The folder already holds a run."""


class RunFinishedError(AnchorgymError, ValueError):
    """The run is finished: there is nothing to resume."""


def free_folder(stem: str) -> Path:
    """Return a folder under runs/ that does not exist: `stem`, or `stem-2` and so on."""
    number, folder = 1, RUNS / stem
    while folder.exists():
        number += 1
        folder = RUNS / f"{stem}-{number}"
    return folder


def require_free(folder: Path) -> None:
    """Refuse a folder that holds a run already, or that cannot be one.

    Raises:
        RunExistsError: it holds a run.
        ConfigError: it is a file.
    """
    if (folder / CONFIG).exists():
        raise RunExistsError(
            f"{folder} already holds a run: give another folder, or resume it with --resume"
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: give the name of a folder")


@contextmanager
def claimed(settings: Section, folder: Path, command: str, *, resume: bool) -> Iterator[bool]:
    """Keep the folder of a run for this process, with its settings in it.

    Args:
        settings: of the run.
        folder: where it is, or will be.
        command: that makes such runs.
        resume: go on with a run that is there; a folder without one begins one.

    Yields:
        whether there was a run to go on with.

    Raises:
        RunExistsError: the folder holds a run, and none is to be resumed.
        RunBusyError: another process is working on it.
        ConfigError: the run has other settings; the message names them.
    """
    if not resume:
        require_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        goes_on = (folder / CONFIG).exists()
        if goes_on:
            require_equal(settings, read_settings(type(settings), folder, command), folder)
        else:
            write_file(folder / CONFIG, settings.model_dump_json(indent=2) + "\n")
        yield goes_on


def read_settings(model: type[S], folder: Path, command: str) -> S:
    """Return the settings of the run that a folder holds.

    Args:
        model: of the settings.
        folder: of the run.
        command: that makes such runs.

    Raises:
        ConfigError: it holds none, or one of other settings.
    """
    path = folder / CONFIG
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} holds no run ({CONFIG} is missing): give the folder that `{command}` named"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    try:
        return model.parse_json(text)
    except ConfigError as error:
        raise ConfigError(f"{path} holds no settings of `{command}`: {error}") from error


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
