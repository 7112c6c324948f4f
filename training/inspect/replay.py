"""Verification of recorded episodes, by executing their actions again.

An environment is made as the header of the file says, reset to each episode's task and seed, and
given its actions. All output of the environment has to equal the record: goal, observations,
anchors, rewards, validity and reasons, the reason of the stop, and success.

Execution cannot verify what does not come from the environment (`NOT_EXECUTED`), nor detect that an
episode was replaced by another possible one. Both change the file's digest, which its header holds
if `write_trajectories` has written it. Whoever computes a new digest can still put another possible
file in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from anchorgym.envs import TextEnv, make
from anchorgym.envs.errors import AnchorgymError, UnknownTaskError
from anchorgym.envs.plugins import UntrustedModuleError
from anchorgym.envs.texts import require_text
from anchorgym.training.inspect.trajectories import (
    EpisodeRecord,
    Header,
    TrajectoryError,
    digest_of,
    read_trajectories,
)
from anchorgym.training.rollout.seats import as_info, require_number
from anchorgym.training.rollout.types import StopReason

NOT_EXECUTED: Final = (
    "purpose",
    "iteration",
    "group",
    "policy",
    "mode",
    "response",
    "advantage",
    "step_group",
)
"""Keys of headers, episodes and turns that no execution verifies, but the file's digest alone.

So it is with an `env`, `arguments`, a `seed` or a `restores` that would have led to the same
episode, and with the `stop` of a policy's side, such as "stuck".
"""
_POLICY = (StopReason.CONTEXT, StopReason.STUCK, StopReason.LEFT)


@dataclass(frozen=True, slots=True)
class Difference:
    """A recorded value that differs from the environment's."""

    file: Path
    line: int
    """Number of the line in the file, from 1; 0 for the file as a whole."""
    turn: int
    """Number of the turn in the episode, from 1; 0 for the episode as a whole."""
    field: str
    recorded: Any
    found: Any

    @property
    def episode(self) -> int:
        """Number of the episode in the file, from 1; 0 for the file as a whole."""
        return max(0, self.line - 1)

    def __str__(self) -> str:
        where = f"{self.file}"
        if self.line:
            where += f", line {self.line}: episode {self.episode}"
        if self.turn:
            where += f", turn {self.turn}"
        return f"{where}: {self.field} was {_short(self.recorded)}, is {_short(self.found)}"


@dataclass(slots=True)
class Verification:
    """The result of verifying recorded episodes."""

    episodes: int = 0
    turns: int = 0
    differences: list[Difference] = field(default_factory=list)
    unsealed: list[Path] = field(default_factory=list)
    """Files whose digest was not verified: they hold none, or a single episode was verified."""
    unreadable: list[str] = field(default_factory=list)
    """Why the rest of a file could not be read, after the episodes that were verified."""

    @property
    def ok(self) -> bool:
        """Whether everything could be read, and there are no differences."""
        return not self.differences and not self.unreadable


class Replayer:
    """Executes recorded episodes in the environments that the headers name.

    Args:
        arguments: arguments of the environment that replace recorded ones, such as a data folder.
    """

    def __init__(self, arguments: Mapping[str, Any] | None = None) -> None:
        self._arguments = dict(arguments or {})
        self._made: tuple[str, dict[str, Any]] | None = None
        self._env: TextEnv | None = None

    def verify(self, path: Path, only: int | None = None) -> Verification:
        """Verify the episodes of a file by executing them.

        Args:
            path: path of the file.
            only: number of a single episode to verify, from 1; by default all episodes and the
                file's digest are verified.

        Raises:
            TrajectoryError: the file's header cannot be read, its environment cannot be made, or
                it has no episode `only`.
        """
        header, episodes = read_trajectories(path)
        env = self._make(path, header)
        result = Verification()
        if only is not None or "digest" not in header:
            result.unsealed.append(path)
        try:
            for number, episode in enumerate(episodes, 1):
                if only is None or number == only:
                    result.episodes += 1
                    result.turns += len(episode["turns"])
                    result.differences += _verify(env, path, number + 1, episode)
        except TrajectoryError as error:
            result.unreadable.append(str(error))
            return result
        if only is not None and not result.episodes:
            raise TrajectoryError(f"{path} holds no episode {only}")
        if only is None:
            result.differences += _verify_file(path, header, result.episodes)
        return result

    def _make(self, path: Path, header: Header) -> TextEnv:
        arguments = {**header["arguments"], **self._arguments}
        if self._env is None or self._made != (header["env"], arguments):
            try:
                self._env = make(header["env"], **arguments)
            except UntrustedModuleError as error:
                raise TrajectoryError(f"{path}: {error}") from error
            except AnchorgymError as error:
                raise TrajectoryError(
                    f"{path}: cannot make the environment that was recorded: {error} "
                    "(data that has moved is named with --env.data FOLDER)"
                ) from error
            self._made = header["env"], arguments
        return self._env


def trajectory_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of recorded episodes: given files, and those in folders or runs.

    Raises:
        TrajectoryError: a folder holds no recorded episodes.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        folder = path / "episodes" if (path / "episodes").is_dir() else path
        found = sorted(file for file in folder.glob("*.jsonl") if file.name != "metrics.jsonl")
        if not found:
            raise TrajectoryError(f"{path} holds no recorded episodes (*.jsonl)")
        files += found
    return files


def _verify_file(path: Path, header: Header, episodes: int) -> Iterator[Difference]:
    if header.get("episodes", episodes) != episodes:
        yield Difference(path, 0, 0, "number of episodes", header.get("episodes"), episodes)
    if "digest" in header:
        found = digest_of(path)
        if found != header["digest"]:
            yield Difference(path, 0, 0, "digest", header["digest"], found)


def _verify(env: TextEnv, path: Path, line: int, episode: EpisodeRecord) -> Iterator[Difference]:
    """Execute one episode and yield the differences; that it cannot be executed is one."""
    try:
        yield from _executed(env, path, line, episode)
    except AnchorgymError as error:
        yield Difference(path, line, 0, "task", episode["task"], str(error))


def _executed(env: TextEnv, path: Path, line: int, episode: EpisodeRecord) -> Iterator[Difference]:
    """Execute one episode and yield the differences.

    All actions are executed, so that turns after a difference are compared too.
    """

    def differ(turn: int, **pairs: tuple[Any, Any]) -> Iterator[Difference]:
        for name, (recorded, found) in pairs.items():
            if recorded != found:
                yield Difference(path, line, turn, name, recorded, found)

    try:
        seen, told = env.reset(seed=episode["seed"], options={"task": episode["task"]})
    except UnknownTaskError as error:
        yield Difference(path, line, 0, "task", episode["task"], str(error))
        return
    observation, info = require_text(seen, "observation", env), as_info(told, env)
    cut = over_early = False
    yield from differ(
        0,
        goal=(episode["goal"], info["goal"]),
        task_type=(episode["task_type"], env.task_type(episode["task"])),
    )
    ended = info["won"]
    restores = dict(episode["fork"]["restores"]) if "fork" in episode else {}
    for number, turn in enumerate(episode["turns"], 1):
        if number - 1 in restores:
            env.restore(env.snapshot(), seed=restores[number - 1])
        over_early = over_early or ended or cut
        yield from differ(
            number,
            observation=(turn["observation"], observation),
            anchor=(turn["anchor"], info["anchor"].hex()),
        )
        seen, reward, ended, cut, told = env.step(turn["action"])
        observation, info = require_text(seen, "observation", env), as_info(told, env)
        yield from differ(
            number,
            reward=(turn["reward"], require_number(reward, "reward", env)),
            valid=(turn["valid"], info["action_valid"]),
            reason=(turn["reason"], info["reason"]),
        )
    yield from differ(
        0,
        won=(episode["won"], info["won"]),
        stop=(episode["stop"], _stop(episode["stop"], over_early, ended, cut)),
        final_observation=(episode["final_observation"], observation),
    )


def _stop(recorded: str, over_early: bool, ended: bool, cut: bool) -> str:
    """Return why the episode stopped; a recorded reason of the policy's side is accepted."""
    if over_early:
        return "over before its last turn"
    if ended or cut:
        return StopReason.TERMINATED if ended else StopReason.TURNS
    return recorded if recorded in _POLICY else "not over yet"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:60]} … {text[-30:]}"
