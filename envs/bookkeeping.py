"""Bookkeeping that all worlds share, for one agent or several: options, refusals, snapshots."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
from gymnasium import Space

from anchorgym.envs.errors import OptionError, SnapshotError, UnknownTaskError
from anchorgym.envs.spaces import Unicode
from anchorgym.envs.texts import is_well_formed

SNAPSHOT_FORMAT = 1


def requested_task(options: Mapping[str, Any] | None, ignored: frozenset[str]) -> str | None:
    """Return the task id that the options of `reset` ask for, if they ask for one.

    Args:
        options: as given to `reset`.
        ignored: options that are let pass without effect.

    Raises:
        OptionError: an option that is neither "task" nor ignored.
        UnknownTaskError: the task is no string.
    """
    unknown = set(options or ()) - {"task"} - ignored
    if unknown:
        raise OptionError(f"reset takes the option 'task' only, got {sorted(unknown)}")
    task = (options or {}).get("task")
    if not isinstance(task, str | None):
        raise UnknownTaskError(task, hint="A task id is a string.")
    return task


def unreadable_text(action: object, max_length: int) -> str:
    """Say why an action cannot be handed to a world at all; empty when it can."""
    if not isinstance(action, str):
        return f"an action is a string, not {type(action).__name__}"
    if len(action) > max_length:
        return f"the action is longer than {max_length} characters"
    if not action.isascii() and not is_well_formed(action):
        return "the action holds a lone surrogate"
    if "\0" in action:
        return "the action holds a NUL character"
    return ""


def unreadable_action(action: object, space: Space[Any]) -> str:
    """Say why an agent's action cannot be handed to a world of several; empty when it can."""
    if action is None:
        return "no action was given"
    if isinstance(space, Unicode):
        return unreadable_text(action, space.max_length)
    try:
        inside = space.contains(action)
    except (TypeError, ValueError, AttributeError, OverflowError):
        inside = False  # some spaces ask anything for its shape
    return "" if inside else f"the action is not in {str(space)[:200]}"


def pack(body: Mapping[str, Any]) -> bytes:
    """Write a snapshot with its format and checksum."""
    body = {"format": SNAPSHOT_FORMAT, **body}
    return json.dumps({**body, "check": checksum(body)}).encode()


def unpack(data: bytes, config: str, name: str) -> dict[str, Any]:
    """Read what `pack` wrote.

    Args:
        data: the snapshot.
        config: what the environment that restores it has as `body["config"]`.
        name: of that environment, for the message.

    Raises:
        SnapshotError: foreign, stale or damaged bytes.
    """
    try:
        body = json.loads(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise SnapshotError(f"not a snapshot: {str(error)[:200]}") from error
    if not isinstance(body, dict) or body.get("format") != SNAPSHOT_FORMAT:
        raise SnapshotError(f"not a snapshot of format {SNAPSHOT_FORMAT}")
    check = body.pop("check", None)
    if check != checksum(body):
        raise SnapshotError("the snapshot was damaged or changed: its checksum differs")
    if body.get("config") != config:
        raise SnapshotError(
            "the snapshot is of another environment or configuration: restore it in one "
            f"made like the one it was taken from (this is {name})"
        )
    return body


def generator(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator that goes on where the one with this state was."""
    bits = np.random.PCG64()
    bits.state = cast(Any, state)
    return np.random.Generator(bits)


def digest(value: Any) -> bytes:
    """Return a 16-byte hash of JSON values."""
    return hashlib.blake2b(_text(value).encode(), digest_size=16).digest()


def value_digest(value: Any) -> bytes:
    """Return a 16-byte hash of observations and actions of any kind: equal ones hash alike."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in _parts(value):
        hasher.update(part)
    return hasher.digest()


def checksum(value: Any) -> str:
    """Return `digest` as hexadecimal text."""
    return digest(value).hex()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _parts(value: Any) -> Iterator[bytes]:
    """Yield bytes that differ where the values do, with the length of each part before it."""
    if isinstance(value, np.ndarray):
        yield f"array {value.dtype.str}{value.shape}:".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}:".encode()
        for key in sorted(value):
            yield from _parts(key)
            yield from _parts(value[key])
    elif isinstance(value, list | tuple):
        yield f"sequence {len(value)}:".encode()
        for item in value:
            yield from _parts(item)
    else:
        plain = value.item() if isinstance(value, np.generic) else value
        text = repr(plain).encode("utf-8", "surrogatepass")
        yield f"{type(plain).__name__} {len(text)}:".encode()
        yield text
