"""`anchorgym replay`: show recorded episodes, or execute them again and compare."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import (
    Command,
    Settings,
    UsageError,
    folder,
    option,
    switch,
    word,
)
from anchorgym.training.commands.verdict import conclude

if TYPE_CHECKING:
    from rich.console import Console

    from anchorgym.training.inspect.replay import Difference
    from anchorgym.training.inspect.trajectories import EpisodeRecord, TurnRecord

_SHOWN = 20
"""Most differences that are printed."""


def run(known: Namespace, given: Settings) -> int:
    """Show an episode, or verify all of them."""
    from anchorgym.training.commands.environment import environment
    from anchorgym.training.inspect.replay import trajectory_files
    from anchorgym.training.inspect.trajectories import TrajectoryError
    from anchorgym.training.worlds.registry import find_record_format

    env = environment(given)
    if env.id is not None:
        raise UsageError("the environment is that of the record: leave out --env")
    formats = [find_record_format(path) if path.is_file() else None for path in known.files]
    own = next((one for one in formats if one is not None), None)
    if own is not None:
        if any(type(one) is not type(own) for one in formats):
            raise TrajectoryError("the files are of different formats: give those of one at a time")
        return own.replay(known.files, verify=known.verify, pages=known.html, only=known.episode)
    if known.html is not None:
        raise TrajectoryError(
            "--html has no page for these episodes; `anchorgym view` writes the page of a run"
        )
    files = trajectory_files(known.files)
    if known.verify:
        return _verify(files, known.episode, env.arguments)
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:5])
        raise TrajectoryError(f"{len(files)} files ({names} …): name one to show, or give --verify")
    _show(files[0], known.episode or 1)
    return EXIT_OK


def _verify(files: Sequence[Path], only: int | None, arguments: Mapping[str, Any]) -> int:
    from anchorgym.training.inspect.replay import NOT_EXECUTED, Replayer
    from anchorgym.training.inspect.trajectories import TrajectoryError

    replayer, began = Replayer(arguments), time.monotonic()
    episodes = turns = 0
    unsealed: list[Path] = []
    unreadable: list[str] = []
    differences: list[Difference] = []
    for file in files:
        try:
            found = replayer.verify(file, only)
        except TrajectoryError as error:
            unreadable.append(str(error))
            continue
        episodes, turns = episodes + found.episodes, turns + found.turns
        differences += found.differences
        unsealed += found.unsealed
        unreadable += found.unreadable
    for problem in unreadable:
        print(f"error: {problem}", file=sys.stderr)
    for difference in differences[:_SHOWN]:
        print(difference)
    if len(differences) > _SHOWN:
        print(f"… and {len(differences) - _SHOWN} more")
    if unsealed:
        why = f"files without a digest: {len(unsealed)}" if only is None else "one episode alone"
        print(f"{why}: what cannot be executed ({', '.join(NOT_EXECUTED)}) was not verified")
    wrong = len({(each.file, each.line) for each in differences if each.line})
    said = f"differences: {len(differences)}, in episodes: {wrong}" if differences else ""
    executed = f"{episodes} episodes, {turns} turns executed in {time.monotonic() - began:.1f} s"
    return conclude(executed, episodes, said, len(unreadable))


def _show(file: Path, number: int) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from anchorgym.training.inspect.trajectories import TrajectoryError, read_trajectories
    from anchorgym.training.run.console import SafeConsole

    header, episodes = read_trajectories(file)
    episode = next(islice(episodes, number - 1, None), None)
    if episode is None:
        raise TrajectoryError(f"{file} holds no episode {number}")
    console = SafeConsole()
    of = f" of {header['episodes']}" if "episodes" in header else ""
    console.print(f"{header['env']}, episode {number}{of}", style="bold")
    for label, value in _about(episode):
        console.print(f"{label:<8} {value}", soft_wrap=True)
    for n, turn in enumerate(episode["turns"], 1):
        _show_turn(console, n, turn)
    console.print()
    console.print(Padding(Text(episode["final_observation"]), (0, 0, 0, 4), expand=False))
    won = "won" if episode["won"] else "not won"
    console.print(f"{won} after {len(episode['turns'])} turns ({episode['stop']})", style="bold")


def _about(episode: EpisodeRecord) -> list[tuple[str, object]]:
    who = " ".join(filter(None, (episode.get("policy"), episode.get("mode"))))
    pairs = [("task", episode["task"]), ("type", episode["task_type"]), ("player", who)]
    return [*((k, v) for k, v in pairs if v), ("seed", episode["seed"]), ("goal", episode["goal"])]


def _show_turn(console: Console, number: int, turn: TurnRecord) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print()
    console.print(Padding(Text(turn["observation"]), (0, 0, 0, 4), expand=False))
    if turn["response"] and turn["response"].strip() != turn["action"]:
        console.print(Padding(Text(turn["response"], style="italic"), (0, 0, 0, 4), expand=False))
    notes = [f"reward {turn['reward']:g}"] if turn["reward"] else []
    notes += [] if turn["valid"] else [f"invalid: {turn['reason']}"]
    notes += [f"advantage {turn['advantage']:+.2f}"] if "advantage" in turn else []
    line = Text(f"{number:>3} > ", style="dim").append(turn["action"], style="bold not dim")
    if notes:
        line.append(f"   ({', '.join(notes)})", style="not bold")
    console.print(line, soft_wrap=True)


COMMAND = Command(
    name="replay",
    summary="Show a recorded episode, or verify episodes by executing them again.",
    about="""
        Shows an episode turn by turn. With --verify, executes the recorded actions again and
        lists each turn in which an observation, state, reward or reason differs from the record;
        a digest in the file covers what does not come from the environment, such as responses.

        The exit status of --verify is 0 if everything is equal, 1 if something differs or nothing
        was there to verify, and 2 if a file cannot be read.""",
    examples=(
        "anchorgym replay figures/episodes.jsonl --episode 3",
        "anchorgym replay runs/NAME --verify",
    ),
    arguments=(
        word(
            "files",
            "FILE",
            "File of recorded episodes, or the folder of several, such as that of a run.",
            type=Path,
            many=True,
            required=True,
        ),
        switch("--verify", "Execute the episodes again and compare."),
        option("--episode", "N", "Number of the episode in its file, from 1.", type=int, least=1),
        folder("--html", "Folder for a page of each episode, for worlds that have such pages."),
    ),
    settings="anchorgym.training.commands.environment:EnvironmentSettings",
    run=run,
)
