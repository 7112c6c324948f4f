"""Adapters that are unloaded only once no order uses them."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Leases:
    """Orders that are open, with the labels that they name; may be used by several threads.

    Args:
        unload: unloads the adapters of a label.
    """

    def __init__(self, unload: Callable[[str], None]) -> None:
        self._unload = unload
        self._lock = threading.Lock()
        self._open: dict[str, str] = {}
        self._dropped: set[str] = set()

    def begin(self, order: str, label: str) -> None:
        """Note that an order uses a label."""
        with self._lock:
            self._open[order] = label

    def end(self, order: str) -> None:
        """Note that an order is done; orders that are not open are ignored."""
        with self._lock:
            self._open.pop(order, None)
        self._unload_unused()

    def keep(self, label: str) -> None:
        """Take back that a label was dropped."""
        with self._lock:
            self._dropped.discard(label)

    def drop(self, label: str) -> None:
        """Unload a label once no open order uses it."""
        with self._lock:
            self._dropped.add(label)
        self._unload_unused()

    def _unload_unused(self) -> None:
        with self._lock:
            unused = self._dropped - set(self._open.values())
            self._dropped -= unused
        for label in sorted(unused):
            self._unload(label)
