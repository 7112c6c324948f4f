"""Panels of task ids, pinned by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def panel_hash(task_ids: Iterable[str]) -> str:
    """Return the SHA-256 of a panel, in its order: equal hashes name the same panel."""
    digest = hashlib.sha256()
    for task in task_ids:
        digest.update(task.encode())
        digest.update(b"\n")
    return digest.hexdigest()
