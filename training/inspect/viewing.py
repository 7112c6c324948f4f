"""The page of a run: one self-contained HTML file, which needs neither a server nor a network.

The page's markup, style and scripts are the files in `training/inspect/page/`. They are combined
into one file with the run's content as a JSON block; texts of the world are data there, never
markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from anchorgym.envs.durable import whole_file
from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.texts import parse_json
from anchorgym.training.config.run_folders import require_own_file
from anchorgym.training.config.sections import TrainConfig
from anchorgym.training.inspect.trajectories import (
    EpisodeRecord,
    TrajectoryError,
    read_trajectories,
)

BUDGET = 4_000_000
"""Most bytes of recorded episodes in a page, which says how many episodes are left out."""
_SCRIPTS = ("dom.js", "charts.js", "summary.js", "anchors.js", "board.js", "episodes.js", "view.js")

_GENERATOR = b'<meta name="generator" content="anchorgym">'
"""Element of all pages, by which one of ours is known."""


class ViewError(AnchorgymError, ValueError):
    """A folder that holds no run."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that has been written."""

    path: Path
    size: int
    """Size of the file, in bytes."""
    episodes: int
    left_out: int
    """Number of recorded episodes that are not in the page."""
    unreadable: tuple[str, ...] = ()
    """Problems of files that could not be read."""


def write_page(run: Path, out: Path | None = None, budget: int = BUDGET) -> Page:
    """Write the page of a run.

    Args:
        run: folder of the run, finished or not.
        out: path of the page; by default `view.html` in the run's folder.
        budget: most bytes of recorded episodes in the page.

    Raises:
        ViewError: the folder holds no run.
        ConfigError: there is a file of that name which is no page.
    """
    data = read_run(run, budget)
    path = run / "view.html" if out is None else out
    content = render(data).encode("utf-8", "backslashreplace")  # lone surrogates, as JSON has them
    require_own_file(path, is_page)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as fresh:
            fresh.write_bytes(content)
    except OSError as error:
        raise ViewError(f"cannot write {path}: {error.strerror}") from error
    shown = sum(file["shown"] for file in data["files"])
    left_out = sum(file["recorded"] for file in data["files"]) - shown
    return Page(path, len(content), shown, left_out, tuple(data["unreadable"]))


def is_page(path: Path) -> bool:
    """Whether a file is a page that this package has written."""
    with path.open("rb") as file:
        return _GENERATOR in file.read(4096)


def read_run(run: Path, budget: int = BUDGET) -> dict[str, Any]:
    """Return the content of a run's page as JSON values.

    Raises:
        ViewError: the folder holds no run.
    """
    config = _read_json(run / "config.json")
    records = list(_records(run / "metrics.jsonl"))
    paths = sorted((run / "episodes").glob("*.jsonl"))
    if not (config or records or paths):
        raise ViewError(
            f"{run} holds no run (no config.json, metrics.jsonl or episodes/): give the folder "
            "that `anchorgym train --out` named, such as runs/NAME"
        )
    recorded, unreadable = pack_files(paths, budget)
    result = _read_json(run / "result.json")
    algorithm = config.get("algorithm", {})
    by_phase: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_phase.setdefault(str(record.get("phase")), []).append(record)
    return {
        "name": run.resolve().name,
        "env": config.get("env", {}).get("id") or next((f["env"] for f in recorded), ""),
        "algorithm": algorithm.get("name", ""),
        "gamma": _gamma(algorithm),
        "finished": bool(result),
        "settings": _settings(config),
        "result": result,
        "records": by_phase,
        "files": recorded,
        "unreadable": unreadable,
    }


def render(data: Mapping[str, Any]) -> str:
    """Return the page as HTML, in which no data can become markup or a script."""
    title = f"{data['name']}: {data['algorithm']} on {data['env']}"
    return page_of("view.html", _SCRIPTS, "view.css", title, data)


def page_of(
    template: str,
    scripts: Sequence[str],
    style: str,
    title: str,
    data: Mapping[str, Any],
    folder: Traversable | None = None,
) -> str:
    """Combine the files of a page, in which no data can become markup or a script.

    Args:
        template: name of the HTML file.
        scripts: names of the scripts, in order.
        style: name of the style sheet.
        title: title of the page.
        data: JSON values, which the scripts read from the element `data`.
        folder: folder whose files take precedence over those in `training/inspect/page/`.
    """

    def read(name: str) -> str:
        own = folder / name if folder is not None and (folder / name).is_file() else None
        return (own or files("anchorgym.training.inspect") / "page" / name).read_text("utf-8")

    script = "".join(map(read, scripts))
    script = f'(() => {{\n"use strict";\n{script}}})();\n'
    look = read(style)
    block = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    parts = {
        "TITLE": html.escape(title),
        "POLICY": f"default-src 'none'; style-src {_hash(look)}; script-src {_hash(script)}",
        "STYLE": look,
        "SCRIPT": script,
        # In JSON, < occurs in strings only; written so, it cannot end the block.
        "DATA": block.replace("<", "\\u003c"),
    }
    first, *rest = read(template).split("{{")
    out = [first]
    for piece in rest:  # a single pass, so that inserted text is not expanded
        name, _, text = piece.partition("}}")
        out += [parts[name], text]
    return "".join(out)


def _hash(text: str) -> str:
    """Return the hash by which a content security policy allows an inline text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


# Content of the folder ---------------------------------------------------------------------


def _finite_or_none(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; return an empty one if there is none."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"), _finite_or_none)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a log; a line that a killed run has cut is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            record = parse_json(line, _finite_or_none)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def _settings(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all settings by dotted name, those that differ from the defaults first."""
    defaults = dict(_flat(TrainConfig().model_dump(mode="json")))
    options = _algorithm_defaults(config.get("algorithm", {}))
    defaults = {**{f"algorithm.{name}": value for name, value in options.items()}, **defaults}
    rows = [
        {"key": key, "value": value, "changed": key not in defaults or defaults[key] != value}
        for key, value in _flat(config)
    ]
    return sorted(rows, key=lambda row: not row["changed"])


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _gamma(algorithm: Mapping[str, Any]) -> float:
    """Return the discount of the returns that the page shows: the algorithm's, or 1."""
    gamma = {**_algorithm_defaults(algorithm), **algorithm}.get("gamma")
    return float(gamma) if isinstance(gamma, int | float) else 1.0


def _algorithm_defaults(algorithm: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default options of a run's algorithm."""
    from anchorgym.gigpo import algorithm_names, find_algorithm

    name = algorithm.get("name")
    known = fields(find_algorithm(str(name))) if name in algorithm_names() else ()
    return {field.name: field.default for field in known}


# Recorded episodes --------------------------------------------------------------------------


def pack_files(paths: Iterable[Path], budget: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Read files of recorded episodes within the budget, the most informative files first.

    Returns:
        The files in the order of the run, each with as many whole groups as fit, and the problems
        of files that cannot be read.
    """
    packed: dict[Path, dict[str, Any]] = {}
    unreadable: list[str] = []
    for path in _telling_first(list(paths)):
        try:
            packed[path] = _pack(path, budget)
        except TrajectoryError as error:
            unreadable.append(str(error))
            continue
        budget -= packed[path].pop("size")
    return [packed[path] for path in sorted(packed, key=_place)], unreadable


def _place(path: Path) -> tuple[int, str]:
    """Return the sort key of a file: evaluations before, training, evaluations after."""
    kind = path.name.partition("-")[0]
    return ({"before": 0, "train": 1, "after": 2}.get(kind, 3), path.name)


def _telling_first(paths: list[Path]) -> list[Path]:
    """Order files so that every prefix covers the run: the ends first, then the midpoints."""
    training = sorted((p for p in paths if _place(p)[0] == 1), key=_place)
    others = sorted((p for p in paths if _place(p)[0] != 1), key=_place)
    chosen = [i for i in (0, len(training) - 1) if training]
    gaps = [(0, len(training) - 1)]
    for low, high in gaps:  # the loop appends to it
        middle = (low + high) // 2
        if low < middle < high:
            chosen.append(middle)
            gaps += [(low, middle), (middle, high)]
    ends = [training[i] for i in dict.fromkeys(chosen)]
    return [*ends[:2], *others, *ends[2:]]


def _pack(path: Path, budget: int) -> dict[str, Any]:
    """Return a file in the page's format: each text once, and turns as rows of references."""
    header, episodes = read_trajectories(path)
    groups: dict[int, list[EpisodeRecord]] = {}
    for episode in episodes:
        groups.setdefault(episode["group"], []).append(episode)
    texts: dict[str, int] = {}
    kept: list[dict[str, Any]] = []
    size = 0
    for number, members in groups.items():
        known = len(texts)
        group = _pack_group(number, members, texts)
        fresh = list(texts)[known:]
        cost = sum(
            len(json.dumps(part, ensure_ascii=False).encode("utf-8", "replace"))
            for part in (group, fresh)
        )
        if size + cost > budget:
            for text in fresh:
                del texts[text]
            break
        size += cost
        kept.append(group)
    return {
        "name": path.stem,
        "env": header["env"],
        "purpose": header.get("purpose", ""),
        "iteration": header.get("iteration"),
        "recorded": sum(len(members) for members in groups.values()),
        "shown": sum(len(group["episodes"]) for group in kept),
        "groups": kept,
        "texts": list(texts),
        "size": size,
    }


def _pack_group(
    number: int, episodes: list[EpisodeRecord], texts: dict[str, int]
) -> dict[str, Any]:
    def point(text: str) -> int:
        return texts.setdefault(text, len(texts))

    anchors: dict[Any, int] = {}
    packed = []
    for episode in episodes:
        turns = [
            [
                point(turn["observation"]),
                point(turn["response"]),
                point(turn["action"]),
                turn["reward"],
                int(turn["valid"]),
                point(turn["reason"]),
                turn.get("advantage"),
                # Evaluations have no step groups: number turns by their anchor instead.
                turn.get("step_group", anchors.setdefault(turn["anchor"], len(anchors))),
            ]
            for turn in episode["turns"][_first_turn(episode) :]
        ]
        packed.append(
            {
                "first": _first_turn(episode),
                "won": episode["won"],
                "stop": episode["stop"],
                "seed": episode["seed"],
                "end": point(episode["final_observation"]),
                "turns": turns,
            }
        )
    first = episodes[0]
    about = {"task": first["task"], "type": first["task_type"], "goal": first["goal"]}
    return {"group": number, **about, "episodes": packed}


def _first_turn(episode: EpisodeRecord) -> int:
    """Return an episode's first own turn, from 0; earlier turns are shown with its parent."""
    return episode["fork"]["turn"] if "fork" in episode else 0
