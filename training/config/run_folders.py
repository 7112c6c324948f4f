"""Folders of runs: their names, their settings, and a lock for one process."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from anchorgym.envs.durable import NEW, write_file
from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.texts import is_well_formed, parse_json
from anchorgym.training.config.general import MOVABLE
from anchorgym.training.config.section import ConfigError, Section, changed_fields

CONFIG = "config.json"
MARKER = "anchorgym.json"
"""Says which command has written a folder; a folder with files but without this one is not ours."""
RUNS = Path("runs")
"""Parent folder of runs without an explicit folder."""

_REMEDY = "put the file back as it was, or begin a new run in another folder"

S = TypeVar("S", bound=Section)


class RunBusyError(AnchorgymError, BlockingIOError):
    """Another process is working in the folder."""


class RunExistsError(AnchorgymError, FileExistsError):
    """The folder already holds a run."""


class RunFinishedError(AnchorgymError, ValueError):
    """The run is finished: there is nothing to resume."""


def free_folder(stem: str) -> Path:
    """Return an unused folder name under runs/: `stem`, or `stem-2` and so on."""
    number, folder = 1, RUNS / stem
    while folder.exists():
        number += 1
        folder = RUNS / f"{stem}-{number}"
    return folder


def require_free(folder: Path) -> None:
    """Check that a folder can take a new run.

    Raises:
        RunExistsError: the folder already holds a run.
        ConfigError: the path is a file, or a folder with files of somebody else.
    """
    if not is_well_formed(str(folder.absolute())):
        raise ConfigError(
            f"the path {str(folder.absolute())!r} is not UTF-8, and policies are saved under UTF-8 "
            "names alone: give another folder"
        )
    if (folder / CONFIG).exists():
        raise RunExistsError(
            f"{folder} already holds a run: give another folder, or resume it with --resume"
        )
    require_own(folder)


def require_own(folder: Path, command: str = "") -> None:
    """Refuse a folder with files that no command of ours has written: nothing in it is touched.

    Args:
        folder: that will be written to.
        command: command that will write to it, such as `anchorgym train`; empty for any.

    Raises:
        ConfigError: it is a file, or holds something else, or was written by another command.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file: give the name of a folder")
    # An interrupted claim leaves the marker under its temporary name.
    others = [path.name for path in folder.iterdir() if NEW not in path.name]
    if others and MARKER not in others:
        raise ConfigError(
            f"{folder} holds files that anchorgym has not written, such as {min(others)!r}: give "
            "a new folder, or an empty one"
        )
    writer = writer_of(folder) if others else command
    if command and writer != command:
        raise ConfigError(
            f"{folder} was written by `{writer}`, and `{command}` writes other files: give a new "
            "folder"
        )


def require_own_file(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Refuse to write over a file that no command of ours has written.

    Args:
        path: that will be written.
        is_ours: whether an existing file was written by the same command.

    Raises:
        ConfigError: it is a folder, or a file of somebody else.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: name a file in it")
    if path.exists() and not is_ours(path):
        raise ConfigError(
            f"{path} is a file that this command has not written, and would be lost: give another "
            "name"
        )


def claim(folder: Path, command: str) -> None:
    """Make a folder for what a command writes, and mark it.

    Args:
        folder: that is made, unless it is there.
        command: such as `anchorgym train`.

    Raises:
        ConfigError: it is a file, or holds files of somebody else or of another command.
    """
    require_own(folder, command)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MARKER).exists():
        about = {"command": command, "version": importlib.metadata.version("anchorgym")}
        write_file(folder / MARKER, json.dumps(about) + "\n")


def writer_of(folder: Path) -> str:
    """Return the command that has written a folder; empty for a folder without a marker.

    Raises:
        ConfigError: the marker cannot be read.
    """
    path = folder / MARKER
    try:
        return str(parse_json(path.read_text(encoding="utf-8"))["command"])
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({type(error).__name__}), so that nobody knows what wrote the "
            "folder: put the file back, or give another folder"
        ) from error


@contextmanager
def claimed(settings: Section, folder: Path, command: str, *, resume: bool) -> Iterator[bool]:
    """Lock the folder of a run for this process, and write its settings there.

    Args:
        settings: settings of the run.
        folder: folder of the run, which is made if needed.
        command: command that makes such runs.
        resume: whether to continue a run in the folder; a folder without a run starts one.

    Yields:
        Whether there was a run to continue.

    Raises:
        RunExistsError: the folder holds a run, and `resume` is false.
        RunBusyError: another process is working on the run.
        ConfigError: the run has other settings; the message names them.
    """
    if not resume:
        require_free(folder)
    if resume and (folder / CONFIG).exists():
        read_settings(type(settings), folder, command)
    else:
        claim(folder, command)
    with alone(folder):
        goes_on = (folder / CONFIG).exists()
        if goes_on:
            require_equal(settings, read_settings(type(settings), folder, command), folder)
        else:
            write_file(folder / CONFIG, settings.to_text())
        yield goes_on


def read_settings(model: type[S], folder: Path, command: str) -> S:
    """Return the settings of the run in a folder.

    Args:
        model: model of the settings.
        folder: folder of the run.
        command: command that makes such runs.

    Raises:
        ConfigError: the folder holds no run, or a run with other kinds of settings.
    """
    path = folder / CONFIG
    if folder.is_file():
        raise ConfigError(f"{folder} is a file: give the folder that `{command}` named")
    if (writer := writer_of(folder)) not in ("", command):
        resumed = f"go on with `{writer} --resume {folder}`"  # runs have settings; others, none
        remedy = resumed if path.exists() else f"give a folder that `{command}` named"
        raise ConfigError(f"{folder} was written by `{writer}`: {remedy}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} holds no run ({CONFIG} is missing): give the folder that `{command}` named"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {_REMEDY}") from error
    try:
        return model.parse_json(text)
    except ConfigError as error:
        raise ConfigError(
            f"{path} holds no settings of `{command}`: {error}. {_REMEDY.capitalize()}"
        ) from error


def require_equal(given: Section, kept: Section, folder: Path) -> None:
    """Check that the given settings equal those of the run to resume.

    Where and how its engine runs may have changed; see `MOVABLE`.

    Raises:
        ConfigError: settings differ; the message names each.
    """
    fields = changed_fields(kept, given, [f"engine.{option}" for option in MOVABLE])
    if fields:
        raise ConfigError(
            f"{folder} was begun with other settings: {'; '.join(fields)}. Resume it with its own, "
            "or begin a new run in another folder"
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes; the lock ends with the process in any case.

    Raises:
        RunBusyError: another process holds the lock.
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
