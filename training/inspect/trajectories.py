"""Recorded episodes: JSON Lines files that can be read, shown, and executed again.

The first line of a file is its header, every further line an episode. The typed dictionaries below
define their keys; unknown keys are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from anchorgym.envs.durable import whole_file
from anchorgym.envs.errors import AnchorgymError, reason_of
from anchorgym.envs.seals import seal_of
from anchorgym.envs.texts import json_line, parse_json

if TYPE_CHECKING:
    from anchorgym.training.rollout.types import Episode

FORMAT = 1


class TrajectoryError(AnchorgymError, ValueError):
    """A file that does not contain recorded episodes."""


class Header(TypedDict):
    """The header of a file: facts that all of its episodes share."""

    format: int
    env: str
    """Id of the environment."""
    arguments: dict[str, Any]
    """Keyword arguments of the environment, such as `max_turns`."""
    purpose: str
    """Purpose of the episodes: "train", "evaluate" or "play"."""
    iteration: NotRequired[int]
    """Iteration of the run, for training episodes."""
    episodes: NotRequired[int]
    """Number of episodes in the file; `write_trajectories` fills it in."""
    digest: NotRequired[str]
    """SHA-256 of the file, see `digest_of`; `write_trajectories` fills it in."""


class TurnRecord(TypedDict):
    """One observation, one response, one transition."""

    observation: str
    anchor: str
    """Anchor of the state in which the turn was taken, in hexadecimal."""
    response: str
    """The policy's response as text; empty for policies that write none."""
    action: str
    reward: float
    valid: bool
    reason: str
    """Why the action was invalid."""
    advantage: NotRequired[float]
    """Advantage of the turn, in training episodes."""
    step_group: NotRequired[int]
    """Number of the turn's step group; turns with equal numbers were compared."""


class ForkRecord(TypedDict):
    """The fork of an episode from another one of its group."""

    turn: int
    """Number of the episode's first own turn, from 0; earlier turns are its parent's."""
    restores: list[tuple[int, int]]
    """(turn, seed) of each restored state, whose randomness was redrawn with the seed; a fork of a
    fork has more than one."""


class EpisodeRecord(TypedDict):
    """One episode, from its task's start to its end."""

    task: str
    task_type: str
    seed: int
    """Seed that was given to `reset`."""
    group: int
    """Number of the group; episodes of one group have the same task and were compared."""
    goal: str
    won: bool
    stop: str
    """Why the episode ended, see `StopReason`: "terminated", "turns", "context", "stuck", or "left"
    if a person stopped playing."""
    turns: list[TurnRecord]
    final_observation: str
    """Observation after the last action."""
    policy: NotRequired[str]
    """Name of the policy, in evaluations."""
    mode: NotRequired[str]
    """Mode of evaluations: "greedy" or "sampled"."""
    fork: NotRequired[ForkRecord]


def episode_record(
    episode: Episode,
    advantages: Sequence[float] | None = None,
    step_groups: Sequence[int] | None = None,
) -> EpisodeRecord:
    """Return an episode as JSON values.

    Args:
        episode: episode to record.
        advantages, step_groups: (n_turns,) advantages and step groups of the episode's own turns,
            in training.
    """
    turns: list[TurnRecord] = []
    for i, turn in enumerate(episode.history, -episode.first_turn):
        record: TurnRecord = {
            "observation": turn.observation,
            "anchor": turn.anchor.hex(),
            "response": turn.text,
            "action": turn.action,
            "reward": turn.reward,
            "valid": turn.valid,
            "reason": turn.reason,
        }
        if advantages is not None and i >= 0:
            record["advantage"] = round(float(advantages[i]), 6)
        if step_groups is not None and i >= 0:
            record["step_group"] = int(step_groups[i])
        turns.append(record)
    root, *forks = _line_of(episode)
    whole: EpisodeRecord = {
        "task": episode.start.task,
        "task_type": episode.task_type,
        "seed": root.start.seed,
        "group": episode.start.group,
        "goal": episode.goal,
        "won": episode.won,
        "stop": episode.stop.value,
        "turns": turns,
        "final_observation": episode.final_observation,
    }
    if forks:
        restores = [(fork.first_turn, fork.start.seed) for fork in forks]
        whole["fork"] = {"turn": episode.first_turn, "restores": restores}
    return whole


def _line_of(episode: Episode) -> list[Episode]:
    """Return an episode after its ancestors, from the root on."""
    origin = episode.start.origin
    return [*(_line_of(origin.parent) if origin else ()), episode]


def write_trajectories(path: Path, header: Header, episodes: Iterable[EpisodeRecord]) -> None:
    """Write a file atomically; its header gets the number of episodes and the digest."""
    lines = [_line(episode) for episode in episodes]
    whole: Header = {**header, "episodes": len(lines)}
    whole["digest"] = seal_of(whole, lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as fresh:
        fresh.write_bytes(b"".join([_line(whole), *lines]))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's header without the digest, and of all other lines.

    Raises:
        TrajectoryError: the file does not exist, or does not begin with a header.
    """
    read_trajectories(path)
    with path.open("rb") as file:
        return seal_of(parse_json(file.readline()), file)


def read_trajectories(path: Path) -> tuple[Header, Iterator[EpisodeRecord]]:
    """Return the header of a file, and an iterator that reads its episodes.

    Raises:
        TrajectoryError: the file does not exist or contains something else; the iterator raises it
            too, and names the line.
    """
    lines = _lines(path)
    header = next(lines, None)
    if not _is_header(header):
        raise TrajectoryError(
            f"{path} does not begin with the header of recorded episodes (format {FORMAT}): give "
            "a file from the folder episodes/ of a run"
        )
    return cast(Header, header), (_episode(path, n, line) for n, line in enumerate(lines, 2))


def _lines(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for n, line in enumerate(file, 1):
                try:
                    yield parse_json(line)
                except ValueError as error:
                    raise TrajectoryError(f"{path}, line {n}: not JSON ({error})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TrajectoryError(f"cannot read {path}: {reason_of(error)}") from error


def _line(record: Header | EpisodeRecord) -> bytes:
    return json_line(record) + b"\n"


def _is_header(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("format") == FORMAT
        and isinstance(value.get("env"), str)
        and isinstance(value.get("arguments"), dict)
    )


_Types = Mapping[str, tuple[type, ...]]
_EPISODE: _Types = {
    "task": (str,),
    "task_type": (str,),
    "seed": (int,),
    "group": (int,),
    "goal": (str,),
    "won": (bool,),
    "stop": (str,),
    "turns": (list,),
    "final_observation": (str,),
}
_TURN: _Types = {
    "observation": (str,),
    "anchor": (str,),
    "response": (str,),
    "action": (str,),
    "reward": (int, float),
    "valid": (bool,),
    "reason": (str,),
}


def _episode(path: Path, line: int, record: Any) -> EpisodeRecord:
    _require(record, _EPISODE, f"{path}, line {line}: an episode")
    if record["seed"] < 0:
        raise TrajectoryError(f"{path}, line {line}: an episode has the seed {record['seed']}")
    for number, turn in enumerate(record["turns"], 1):
        _require(turn, _TURN, f"{path}, line {line}: turn {number}")
    if "fork" in record and not _is_fork(record["fork"], len(record["turns"])):
        raise TrajectoryError(
            f"{path}, line {line}: an episode has the fork {str(record['fork'])[:60]!r}"
        )
    return cast(EpisodeRecord, record)


def _is_fork(fork: Any, turns: int) -> bool:
    """Whether this says at which turns, in their order, states were restored with which seeds."""
    if not isinstance(fork, dict) or not isinstance(fork.get("restores"), list):
        return False
    pairs = fork["restores"]
    if not pairs or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return False
    numbers = [number for pair in pairs for number in pair]
    if not all(type(number) is int and number >= 0 for number in numbers):
        return False
    places = [place for place, _ in pairs]
    return places == sorted(places) and places[-1] <= turns and fork.get("turn") == places[-1]


def _require(record: Any, kinds: _Types, what: str) -> None:
    """Check that a record has all required keys, with values of these types."""
    if not isinstance(record, dict):
        raise TrajectoryError(f"{what} is no JSON object")
    if missing := sorted(set(kinds) - set(record)):
        raise TrajectoryError(f"{what} lacks {', '.join(missing)}")
    for key, types in kinds.items():
        if type(record[key]) not in types:  # isinstance would accept True as an int
            raise TrajectoryError(f"{what} has the {key} {str(record[key])[:60]!r}")
