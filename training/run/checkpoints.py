"""Checkpoints: the whole state of a run as JSON and parts, written all or nothing.

A checkpoint is a folder `RUN/checkpoints/NUMBER`. It holds JSON, and a folder for each part that
writes itself: a learner, a policy. It comes into being by a rename, after all that is in it has
reached the disk, so a process that is killed leaves the checkpoints before. Its JSON holds the
SHA-256 of every other file and of itself: what was damaged since is not taken for whole.
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

from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.config.durable import remove_leftovers, whole_folder

FORMAT = 2
"""Format 1 held all tensors itself; in format 2 learners write their own."""
_STATE = "checkpoint.json"


class CheckpointError(AnchorgymError, ValueError):
    """Checkpoints that cannot be read, or that are of something else."""


class CheckpointFormatError(CheckpointError):
    """Checkpoints that another version of anchorgym has written."""


class Saves(Protocol):
    """What writes itself as a part of a checkpoint, such as a learner."""

    def save(self, folder: Path, /) -> None:
        """Write everything that is needed to go on, into a folder that does not exist yet."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run goes on from.

    Attributes:
        folder: that holds it. It is removed when enough later ones have been saved.
        state: JSON values.
        parts: names of the parts.
    """

    folder: Path
    state: dict[str, Any]
    parts: frozenset[str]

    def part(self, name: str) -> Path:
        """Return the folder of a part, for its `load`.

        Raises:
            CheckpointError: there is no such part.
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
        folder: that holds them; made when the first is saved.
        keep: number of checkpoints that are kept.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self._keep = keep

    def save(self, state: Mapping[str, Any], parts: Mapping[str, Saves] | None = None) -> Path:
        """Write a checkpoint and remove those that are too old; return its folder.

        Args:
            state: JSON values.
            parts: by the name of the folder that each writes itself into.
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
        """Read the newest checkpoint that is whole, if one was ever saved.

        What cannot be gone on from is removed: half-written folders, and damaged checkpoints
        newer than the one returned.

        Raises:
            CheckpointFormatError: the newest one is of another version.
            CheckpointError: there are checkpoints, and every one is damaged.
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
        CheckpointFormatError: another version has written it.
        CheckpointError: it is not whole.
    """
    try:
        body = json.loads((folder / _STATE).read_text(encoding="utf-8"))
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
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{folder} is damaged: {error!r}") from error


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by its path there; without a checkpoint's own.

    Empty where there is no folder.
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
