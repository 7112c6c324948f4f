"""Checkpoints: the whole state of a run, written atomically.

A checkpoint is a folder `RUN/checkpoints/NUMBER` with a JSON file, and a folder for each part that
saves itself, such as a learner or a policy. It is renamed into place after its content has reached
the disk, so a process that is killed leaves earlier checkpoints intact. The JSON file holds the
SHA-256 of every other file and of itself, so that damage is detected.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from anchorgym.envs.durable import remove_leftovers, whole_folder
from anchorgym.envs.errors import AnchorgymError, reason_of
from anchorgym.envs.texts import parse_json

FORMAT = 3
"""Version of the format: in format 1 checkpoints held all tensors, in 2 learners saved them with
their reference model, in 3 without it."""
_STATE = "checkpoint.json"


class CheckpointError(AnchorgymError, ValueError):
    """A checkpoint that cannot be read, or that belongs to another kind of run."""


class CheckpointFormatError(CheckpointError):
    """A checkpoint in the format of another version of anchorgym."""


class Saves(Protocol):
    """An object that saves itself as a part of a checkpoint, such as a learner."""

    def save(self, folder: Path, /) -> None:
        """Write the whole state into a folder that does not exist yet."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint from which a run resumes.

    Attributes:
        folder: folder of the checkpoint, which is removed when enough later ones are saved.
        state: JSON values.
        parts: names of the parts.
    """

    folder: Path
    state: dict[str, Any]
    parts: frozenset[str]

    def part(self, name: str) -> Path:
        """Return the folder of a part, for its `load`.

        Raises:
            CheckpointError: the checkpoint has no such part.
        """
        if name not in self.parts:
            raise CheckpointError(
                f"{self.folder} holds {', '.join(sorted(self.parts)) or 'no part'}, not {name!r}: "
                "it is of another kind of run"
            )
        return self.folder / name


class Checkpoints:
    """The checkpoints of a run, of which the last few are kept.

    Args:
        folder: folder of the checkpoints; it is made when the first is saved.
        keep: number of latest checkpoints to keep.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self._keep = keep

    def save(self, state: Mapping[str, Any], parts: Mapping[str, Saves] | None = None) -> Path:
        """Write a checkpoint and remove the oldest ones; return its folder.

        Args:
            state: JSON values.
            parts: objects that save themselves, by the name of their folder.
        """
        names = self._names()
        path = self.folder / f"{int(names[-1]) + 1 if names else 1:08}"
        with whole_folder(path) as fresh:
            for name, part in (parts or {}).items():
                part.save(fresh / name)
            body = {
                "format": FORMAT,
                "anchorgym": version("anchorgym"),
                "state": state,
                "parts": sorted(parts or {}),
                "files": file_hashes(fresh),
            }
            text = json.dumps({**body, "sha256": _body_hash(body)}, allow_nan=False)
            (fresh / _STATE).write_text(text + "\n", encoding="utf-8")
        for name in self._names()[: -self._keep]:
            shutil.rmtree(self.folder / name)
        return path

    def newest(self) -> Checkpoint | None:
        """Read the newest undamaged checkpoint; None if none was ever saved.

        Partly written folders, and damaged checkpoints newer than the returned one, are removed.

        Raises:
            CheckpointFormatError: the newest checkpoint is of another version.
            CheckpointError: all checkpoints are damaged.
        """
        remove_leftovers(self.folder)
        names = self._names()
        problems = []
        for name in reversed(names):
            try:
                checkpoint = read_checkpoint(self.folder / name)
            except CheckpointFormatError:
                raise
            except CheckpointError as error:
                problems.append(error)
                continue
            for damaged in names[names.index(name) + 1 :]:
                shutil.rmtree(self.folder / damaged)
            return checkpoint
        if problems:
            raise CheckpointError(
                f"no checkpoint in {self.folder} is whole ({problems[0]}): begin the run again in "
                "another folder"
            )
        return None

    def _names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.name.isdecimal())


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        CheckpointFormatError: another version has written the checkpoint.
        CheckpointError: the checkpoint is damaged.
    """
    try:
        body = parse_json((folder / _STATE).read_text(encoding="utf-8"))
        digest = body.pop("sha256")
        if digest != _body_hash(body):
            raise CheckpointError(f"{folder / _STATE} was changed after it was written")
        if body["format"] != FORMAT:
            raise _of_another_version(folder, body)
        there = file_hashes(folder)
        for name, expected in body["files"].items():
            if there.get(name) != expected:
                raise CheckpointError(f"{folder / name} was changed after it was written")
        return Checkpoint(folder, body["state"], frozenset(body["parts"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{folder} is damaged: {reason_of(error)}") from error


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by relative path, except `checkpoint.json`.

    The result is empty if the folder does not exist.
    """
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): _file_hash(path) for path in files}
    hashes.pop(_STATE, None)
    return hashes


def _of_another_version(folder: Path, body: Mapping[str, Any]) -> CheckpointFormatError:
    writer = body.get("anchorgym", "0.1.0 or before")
    return CheckpointFormatError(
        f"{folder} has checkpoint format {body['format']} of anchorgym {writer}, and this is "
        f"format {FORMAT} of anchorgym {version('anchorgym')}: finish the run with the version "
        "that began it, or begin a new one in another folder from the policy that it has saved"
    )


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _body_hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()
