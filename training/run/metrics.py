"""The metrics of a run, as JSON Lines and as TensorBoard scalars."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from anchorgym.envs.errors import MissingExtraError


class MetricsLog:
    """Appends one JSON object a line, flushed at once, so that a killed run loses none.

    NaN and the infinities, which JSON does not have, become null.

    Args:
        path: path of the file.
        elapsed: seconds that the run had taken before.
        tensorboard: folder for the same numbers as TensorBoard scalars, which is omitted if
            TensorBoard is not installed; None writes no scalars.
    """

    def __init__(
        self,
        path: Path,
        elapsed: float = 0.0,
        tensorboard: Path | None = None,
    ) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._start = time.monotonic() - elapsed
        self._scalars = None
        self.left_out = ""
        """Note on output that a missing extra prevents; empty if there is none."""
        if tensorboard is not None:
            try:
                from anchorgym.training.run.scalars import Scalars  # slow to import

                self._scalars = Scalars(tensorboard, path, elapsed)
            except MissingExtraError as error:
                self.left_out = f"note       no tensorboard/: {error}"

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return time.monotonic() - self._start

    def write(self, phase: str, **values: Any) -> None:
        """Append a record, with the seconds since the start."""
        record = _plain({"phase": phase, "seconds": round(self.elapsed, 2), **values})
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()
        if self._scalars is not None:
            self._scalars.add(record)

    def flush(self) -> None:
        """Flush what is buffered for TensorBoard."""
        if self._scalars is not None:
            self._scalars.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._scalars is not None:
            self._scalars.close()


def _plain(value: Any) -> Any:
    """Return numpy scalars and arrays, and numbers that are not finite, as JSON values."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
