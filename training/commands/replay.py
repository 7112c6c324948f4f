"""`anchorgym replay`: show recorded episodes and battles, or execute them again and compare."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from anchorgym.training.commands import EXIT_FAILED, EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from anchorgym.training.inspect.replay import Difference
    from anchorgym.training.inspect.trajectories import EpisodeRecord, TurnRecord

HELP = "show recorded episodes, or --verify them by executing them again"

_SHOWN = 20
"""Differences that are printed."""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "Exit status of --verify: 0 as recorded, 1 differences, 2 unreadable."
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="recorded episodes, or their folder"
    )
    parser.add_argument(
        "--verify", action="store_true", help="execute the episodes again and compare"
    )
    parser.add_argument("--episode", type=int, metavar="N", help="the N-th of the file, from 1")
    parser.add_argument(
        "--html", type=Path, metavar="FOLDER", help="write a page of each recorded battle there"
    )
    parser.add_argument("--data", metavar="FOLDER", help="the environment's data, if it has moved")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Show an episode, or verify all of them."""
    from anchorgym.envs.vgc.replays import holds_battles
    from anchorgym.training.inspect.replay import trajectory_files
    from anchorgym.training.inspect.trajectories import TrajectoryError
    from anchorgym.training.worlds.vgc.replaying import replay_battles

    if known.episode is not None and known.episode < 1:
        raise TrajectoryError(f"--episode counts from 1, got {known.episode}")
    battles = [path for path in known.files if path.is_file() and holds_battles(path)]
    if battles:
        if len(battles) < len(known.files):
            raise TrajectoryError("give files of battles, or of episodes, not both at once")
        return replay_battles(battles, known.verify, known.html, known.episode)
    if known.html is not None:
        raise TrajectoryError("--html is for battles; `anchorgym view` writes the page of a run")
    files = trajectory_files(known.files)
    if known.verify:
        return _verify(files, known.episode, known.data)
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:5])
        raise TrajectoryError(f"{len(files)} files ({names} …): name one to show, or give --verify")
    _show(files[0], known.episode or 1)
    return EXIT_OK


def _verify(files: Sequence[Path], only: int | None, data: str | None) -> int:
    from anchorgym.training.inspect.replay import Replayer
    from anchorgym.training.inspect.trajectories import TrajectoryError

    replayer, began = Replayer(data), time.monotonic()
    episodes = turns = unreadable = 0
    unsealed: list[Path] = []
    differences: list[Difference] = []
    for file in files:
        try:
            found = replayer.verify(file, only)
        except TrajectoryError as error:
            print(f"error: {error}", file=sys.stderr)
            unreadable += 1
            continue
        episodes, turns = episodes + found.episodes, turns + found.turns
        differences += found.differences
        unsealed += found.unsealed
    for difference in differences[:_SHOWN]:
        print(difference)
    if len(differences) > _SHOWN:
        print(f"… and {len(differences) - _SHOWN} more")
    if unsealed:
        print(
            f"{len(unsealed)} of the files hold no digest: what cannot be executed (responses, "
            "advantages, groups) was not verified"
        )
    parts = [
        f"{episodes} episodes, {turns} turns executed in {time.monotonic() - began:.1f} s",
        _verdict(differences),
        *([f"{unreadable} files unreadable"] if unreadable else []),
    ]
    print("; ".join(parts))
    return EXIT_USAGE if unreadable else EXIT_FAILED if differences else EXIT_OK


def _verdict(differences: Sequence[Difference]) -> str:
    if not differences:
        return "all as recorded"
    wrong = len({(d.file, d.line) for d in differences if d.line})
    return f"{len(differences)} differences in {wrong} episodes"


def _show(file: Path, number: int) -> None:
    from anchorgym.training.inspect.trajectories import TrajectoryError, read_trajectories

    header, episodes = read_trajectories(file)
    episode = next(islice(episodes, number - 1, None), None)
    if episode is None:
        raise TrajectoryError(f"{file} holds no episode {number}")
    console = Console(highlight=False, markup=False)
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
