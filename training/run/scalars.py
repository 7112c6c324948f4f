"""TensorBoard scalars of a run's metrics."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anchorgym.envs.errors import requires_extra
from anchorgym.training.run.reading import read_metrics

with requires_extra("tensorboard", "the folder for TensorBoard"):
    from torch.utils.tensorboard import SummaryWriter

_STEPS = ("update", "iteration")
"""Keys of a record that give its step; they are not written as scalars."""
_FLUSH_SECONDS = 10


class Scalars:
    """Writes every number of the metrics as a scalar `phase/key` over updates or iterations.

    The folder is rebuilt from the metrics each time a run starts or resumes, so that it has no
    steps beyond the point where the run resumes.

    Args:
        folder: folder for event files; its content is removed.
        metrics: path of `metrics.jsonl`.
        elapsed: seconds that the run has taken so far.

    Raises:
        MissingExtraError: TensorBoard is not installed (when this module is imported).
    """

    def __init__(self, folder: Path, metrics: Path, elapsed: float) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._started = time.time() - elapsed
        self._writer = SummaryWriter(str(folder), flush_secs=_FLUSH_SECONDS)
        for record in read_metrics(metrics):
            self.add(record)

    def add(self, record: Mapping[str, Any]) -> None:
        """Write the numbers of one record."""
        path = "/".join([record["phase"], *([record["mode"]] if "mode" in record else [])])
        step = next((record[key] for key in _STEPS if key in record), 0)
        when = self._started + record.get("seconds", 0.0)
        numbers = {key: value for key, value in record.items() if key not in _STEPS}
        for tag, number in _flat(path, numbers):
            self._writer.add_scalar(tag, number, step, when)

    def flush(self) -> None:
        """Flush buffered events to the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Flush buffered events and close the file."""
        self._writer.close()


def _flat(path: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{path}/{key}", inner)
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            yield from _flat(f"{path}/{i}", inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value
