"""Recorded episodes: JSON Lines that can be read, drawn, and executed again.

The first line of a file is its header, every further one an episode. What a header and an episode
hold are the typed dictionaries below; keys that are not known are kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from anchorgym.envs.errors import AnchorgymError

if TYPE_CHECKING:
    from anchorgym.training.rollouts import Episode

FORMAT = 1


class TrajectoryError(AnchorgymError, ValueError):
    """A file that does not hold recorded episodes."""


class Header(TypedDict):
    """What all episodes of a file share."""

    format: int
    env: str
    """Id of the environment."""
    arguments: dict[str, Any]
    """What it was made with, such as `max_turns`."""
    purpose: str
    """"train", "evaluate" or "play"."""
    iteration: NotRequired[int]
    """Of the run, for training episodes."""


class TurnRecord(TypedDict):
    """One observation, one response, one transition."""

    observation: str
    anchor: str
    """Key of the state in which the turn was taken, in hexadecimal."""
    response: str
    """What the policy wrote, as text; empty for policies that write none."""
    action: str
    reward: float
    valid: bool
    reason: str
    """Why the action was invalid."""
    advantage: NotRequired[float]
    """Of the turn, in training episodes."""
    step_group: NotRequired[int]
    """Which anchor group of the file the turn fell in; turns with equal numbers were compared."""


class EpisodeRecord(TypedDict):
    """One episode, from its start to its end."""

    task: str
    task_type: str
    seed: int
    """Given to `reset`."""
    group: int
    """Episodes with equal numbers started from one task and were compared."""
    goal: str
    won: bool
    stop: str
    """"terminated", "turns" or "context"; "left" where a person stopped playing."""
    turns: list[TurnRecord]
    final_observation: str
    """What was seen after the last action."""


def episode_record(
    episode: Episode,
    advantages: Sequence[float] | None = None,
    step_groups: Sequence[int] | None = None,
) -> EpisodeRecord:
    """Return an episode as JSON values.

    Args:
        episode: what was played.
        advantages, step_groups: (n_turns,) of the episode, where it was trained on.
    """
    turns: list[TurnRecord] = []
    for i, turn in enumerate(episode.turns):
        record: TurnRecord = {
            "observation": turn.observation,
            "anchor": turn.anchor.hex(),
            "response": turn.text,
            "action": turn.action,
            "reward": turn.reward,
            "valid": turn.valid,
            "reason": turn.reason,
        }
        if advantages is not None:
            record["advantage"] = round(float(advantages[i]), 6)
        if step_groups is not None:
            record["step_group"] = int(step_groups[i])
        turns.append(record)
    return {
        "task": episode.start.task,
        "task_type": episode.task_type,
        "seed": episode.start.seed,
        "group": episode.start.group,
        "goal": episode.goal,
        "won": episode.won,
        "stop": episode.stop,
        "turns": turns,
        "final_observation": episode.final_observation,
    }


def write_trajectories(path: Path, header: Header, episodes: Iterable[EpisodeRecord]) -> None:
    """Write a file, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        for record in (header, *episodes):
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_trajectories(path: Path) -> tuple[Header, Iterator[EpisodeRecord]]:
    """Return the header of a file, and its episodes as they are read.

    Raises:
        TrajectoryError: there is no such file, or it holds something else; the episodes raise it
            too, naming the line.
    """
    lines = _lines(path)
    header = next(lines, None)
    if not isinstance(header, dict) or header.get("format") != FORMAT or "env" not in header:
        raise TrajectoryError(
            f"{path} does not begin with the header of recorded episodes (format {FORMAT}): give "
            "a file from the folder episodes/ of a run"
        )
    return cast(Header, header), (_episode(path, n, line) for n, line in enumerate(lines, 2))


def _lines(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8") as file:
            for n, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise TrajectoryError(f"{path}, line {n}: not JSON ({error})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TrajectoryError(f"cannot read {path}: {error}") from error


def _episode(path: Path, line: int, record: Any) -> EpisodeRecord:
    missing = EpisodeRecord.__required_keys__ - set(record if isinstance(record, dict) else ())
    if missing:
        raise TrajectoryError(f"{path}, line {line}: an episode lacks {', '.join(sorted(missing))}")
    return cast(EpisodeRecord, record)
