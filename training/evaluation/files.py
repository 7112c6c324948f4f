"""The files of an evaluation: results, picture and episodes."""

from __future__ import annotations

import json
from pathlib import Path

from anchorgym.envs.durable import whole_file, write_file
from anchorgym.training.evaluation.measurement import Measurement
from anchorgym.training.evaluation.picture import draw_evaluation
from anchorgym.training.inspect.trajectories import FORMAT, Header, write_trajectories


def write_measurement(measurement: Measurement, folder: Path) -> None:
    """Write `evaluation.json`, `evaluation.png` and, if kept, `episodes.jsonl` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(measurement.to_json(), indent=1, allow_nan=False)
    write_file(folder / "evaluation.json", text + "\n")
    with whole_file(folder / "evaluation.png") as picture:
        draw_evaluation(measurement, picture)
    if measurement.records:
        header: Header = {
            "format": FORMAT,
            "env": measurement.plan.env_id,
            "arguments": dict(measurement.plan.arguments),
            "purpose": "evaluate",
        }
        write_trajectories(folder / "episodes.jsonl", header, measurement.records)
