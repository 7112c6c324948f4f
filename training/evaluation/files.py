"""The files of an evaluation: results, picture and episodes."""

from __future__ import annotations

import json
from pathlib import Path

from anchorgym.envs.durable import whole_file, write_file
from anchorgym.envs.texts import parse_json
from anchorgym.training.config.section import ConfigError
from anchorgym.training.evaluation.measurement import Measurement
from anchorgym.training.evaluation.picture import draw_evaluation
from anchorgym.training.inspect.trajectories import FORMAT, Header, write_trajectories


def require_same(measurement: Measurement, folder: Path) -> None:
    """Check that a folder holds no other measurement, which would be replaced.

    Raises:
        ConfigError: it holds one, of other settings or of players with other names.
    """
    path = folder / "evaluation.json"
    if not path.exists():
        return
    try:
        there = parse_json(path.read_text(encoding="utf-8"))
        names = [policy["name"] for policy in there["policies"]]
        same = (there["plan"], names) == (measurement.plan.to_json(), [*measurement.names])
    except (OSError, ValueError, LookupError, TypeError):
        same = False
    if not same:
        raise ConfigError(
            f"{path} holds another evaluation, which would be lost: give another folder, or repeat "
            "its own command"
        )


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
