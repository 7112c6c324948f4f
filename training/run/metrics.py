"""The metrics of a run, as JSON Lines and as TensorBoard scalars."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from anchorgym.envs.errors import MissingExtraError


class MetricsLog:
    """Appends one JSON object a line, flushed at once: nothing is lost when a run is cut.

    Numbers that JSON cannot write, NaN and the infinities, become null.

    Args:
        path: of the file.
        keep: cut it to so many bytes first; None keeps all of it.
        elapsed: seconds that the run had taken until then.
        tensorboard: folder for the same numbers as TensorBoard's scalars, which is left out where
            TensorBoard is not installed; None for none.
    """

    def __init__(
        self,
        path: Path,
        keep: int | None = None,
        elapsed: float = 0.0,
        tensorboard: Path | None = None,
    ) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8")
        if keep is not None:
            self._file.truncate(keep)
        self._start = time.monotonic() - elapsed
        self._scalars = None
        self.left_out = ""
        """What is not written for want of an extra, and which; empty when all is."""
        if tensorboard is not None:
            try:
                from anchorgym.training.run.scalars import Scalars  # slow to import

                self._scalars = Scalars(tensorboard, path, elapsed)
            except MissingExtraError as error:
                self.left_out = f"left out: {error}"

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return time.monotonic() - self._start

    def write(self, phase: str, **values: Any) -> None:
        """Append a record; seconds since the start are added."""
        record = _plain({"phase": phase, "seconds": round(self.elapsed, 2), **values})
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()
        if self._scalars is not None:
            self._scalars.add(record)

    def sync(self) -> int:
        """Have all that was written reach the disk; return the file's length in bytes."""
        if self._scalars is not None:
            self._scalars.flush()
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._scalars is not None:
            self._scalars.close()


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays, and numbers that are not finite, as JSON values."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
