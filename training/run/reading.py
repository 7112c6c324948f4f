"""Reading of the metrics of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.texts import parse_json


class MetricsError(AnchorgymError, ValueError):
    """A file of metrics that is damaged."""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file of metrics.

    Raises:
        MetricsError: a line is no record.
    """
    records: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            record = parse_json(line.decode("utf-8"))
            records.append({"phase": str(record["phase"]), **record})
        except (ValueError, KeyError, TypeError) as error:
            raise MetricsError(
                f"line {number} of {path} is damaged ({type(error).__name__}): put the file back "
                "as it was, or begin the run again in another folder"
            ) from error
    return records
