"""Panels of task ids, pinned by hash, and parts of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from anchorgym.envs.errors import ContractError
from anchorgym.envs.texts import brief, id_bytes


def _bytes(task: object) -> bytes:
    if not isinstance(task, str):
        raise ContractError(
            f"tasks() gave {brief(task)} as a task id, which must be a string: verify the "
            "environment with `anchorgym check`"
        )
    return id_bytes(task)


def panel_hash(task_ids: Iterable[str]) -> str:
    """Return the SHA-256 of a panel, in its order: equal hashes name the same panel."""
    digest = hashlib.sha256()
    for task in task_ids:
        digest.update(_bytes(task))
        digest.update(b"\n")
    return digest.hexdigest()


def sub_panel(task_ids: Sequence[str], n: int | None) -> tuple[str, ...]:
    """Return `n` tasks of a panel in its order, the same ones everywhere (None: all of them).

    They are drawn by a hash of their ids, so that a panel that is sorted by kind of task is
    represented as a whole, and a larger part holds every smaller one.
    """
    if n is None or n >= len(task_ids):
        return tuple(task_ids)
    ranked = sorted(task_ids, key=lambda task: hashlib.blake2b(_bytes(task)).digest())
    chosen = frozenset(ranked[:n])
    return tuple(task for task in task_ids if task in chosen)
