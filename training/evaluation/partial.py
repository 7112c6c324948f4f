"""Episodes of an evaluation that is under way, so that an interrupted one can be continued.

The file `partial.jsonl` in the folder of the results begins with a line that identifies what is
measured; every further line is a wave of episodes that were played together. A wave in which the
environment raised is there with the episodes that had ended, and is played again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchorgym.envs.durable import append, remove, write_file
from anchorgym.training.config.section import ConfigError
from anchorgym.training.inspect.trajectories import EpisodeRecord, episode_record
from anchorgym.training.rollout.types import Episode, Start, StopReason, Turn
from anchorgym.training.run.checkpoints import file_hashes

_FILE = "partial.jsonl"


@dataclass(frozen=True, slots=True)
class Wave:
    """Episodes that were played together."""

    episodes: list[Episode]
    broken: dict[str, str]
    """Why a task could not be started, by its id, as far as was known at the end of the wave."""


class Partial:
    """The waves of an evaluation so far.

    Args:
        folder: folder of the results.
        settings: JSON values that the episodes depend on.
        players: names of the players; the files in the folder of one belong to the settings.

    Raises:
        ConfigError: the folder holds waves of other settings, or of players that have changed.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], players: Sequence[str]) -> None:
        self._path = folder / _FILE
        files = [file_hashes(Path(name)) for name in players]
        text = json.dumps([settings, list(players), files], sort_keys=True)
        head = {"of": hashlib.sha256(text.encode()).hexdigest()}
        lines = _lines(self._path)
        self._waves: dict[tuple[str, str, str], Wave] = {}
        if lines and lines[0] != head:
            raise ConfigError(
                f"{self._path} holds a part of another evaluation, or its policy has changed: "
                "repeat its own command to go on there, give another folder, or remove the file"
            )
        if not lines:
            write_file(self._path, json.dumps(head) + "\n")
            return
        for line in lines[1:]:
            if line["whole"]:
                key = (line["player"], line["mode"], line["wave"])
                episodes = [_episode(record) for record in line["episodes"]]
                self._waves[key] = Wave(episodes, line["broken"])

    def waves(self, player: str, mode: str) -> Waves:
        """Return the waves of a player in a mode."""
        return Waves(self._path, self._waves, player, mode)


def remove_partial(folder: Path) -> None:
    """Remove the waves of an evaluation whose results are written."""
    remove(folder / _FILE)


class Waves:
    """The waves of one player in one mode, as a mapping that is saved."""

    def __init__(
        self,
        path: Path,
        waves: dict[tuple[str, str, str], Wave],
        player: str,
        mode: str,
    ) -> None:
        self._path, self._waves, self._player, self._mode = path, waves, player, mode

    def get(self, wave: str) -> Wave | None:
        """Return a wave that was played before; None for one that was not."""
        return self._waves.get((self._player, self._mode, wave))

    def add(
        self, wave: str, episodes: Sequence[Episode], broken: Mapping[str, str], *, whole: bool
    ) -> None:
        """Save a wave; one that is not whole will be played again."""
        records: list[EpisodeRecord] = [episode_record(episode) for episode in episodes]
        about = {"player": self._player, "mode": self._mode, "wave": wave, "whole": whole}
        found = {**about, "broken": dict(broken), "episodes": records}
        append(self._path, json.dumps(found) + "\n")


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a file, up to one that is damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for line in data.splitlines(keepends=True):
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            break
        if not line.endswith(b"\n"):
            found.pop()
    return found


def _episode(record: EpisodeRecord) -> Episode:
    turns = [
        Turn(
            turn["observation"],
            bytes.fromhex(turn["anchor"]),
            action=turn["action"],
            text=turn["response"],
            reward=turn["reward"],
            valid=turn["valid"],
            reason=turn["reason"],
        )
        for turn in record["turns"]
    ]
    return Episode(
        Start(record["task"], record["group"], record["seed"]),
        record["task_type"],
        turns,
        record["won"],
        StopReason(record["stop"]),
        record["goal"],
        record["final_observation"],
    )
