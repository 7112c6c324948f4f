"""`anchorgym play`: play an environment in the terminal, or watch a policy play it."""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK, environment_arguments

if TYPE_CHECKING:
    from anchorgym.training.inspect.trajectories import EpisodeRecord
    from anchorgym.training.play.playing import Game
    from anchorgym.training.play.screen import Screen

HELP = "play an environment, or watch a policy play it"
TAKES_SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that are not the environment's own."""
    parser.usage = "anchorgym play ENV [options] [--env.KEY VALUE …]"
    parser.epilog = (
        "--env.KEY VALUE gives the environment an argument of its own. While playing, :help "
        "lists what can be typed beside actions."
    )
    parser.add_argument("env", nargs="?", help="namespace/Name-vN or module:namespace/Name-vN")
    parser.add_argument("--task", help="id of the task (default: drawn from the split)")
    parser.add_argument("--split", help="to draw the task from")
    parser.add_argument("--seed", type=int, help="of the draw, and of chance (default: a new one)")
    parser.add_argument("--data", help="the environment's data folder, if it takes one")
    parser.add_argument(
        "--policy", metavar="PLAYER", help="watch expert, random, or the policy saved in a folder"
    )
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="of a saved policy; 0 is greedy"
    )
    parser.add_argument(
        "--auto", type=float, metavar="SECONDS", help="between turns, instead of waiting for Enter"
    )
    parser.add_argument(
        "--seat", metavar="AGENT", help="in a world of several agents: the one that you play"
    )
    parser.add_argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        metavar="SEAT=PLAYER",
        help="who plays other agents: expert, random, script:NAME,NAME or a folder; a seat may be "
        "a pattern such as 'defender_*'; again for others (default: --policy, or the expert's)",
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what was played to")
    parser.set_defaults(show_help=parser.print_help, refuse=parser.error)


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Play one task."""
    if known.help:
        known.show_help()
        return EXIT_OK
    if known.env is None:
        known.refuse("name an environment; `anchorgym envs` lists them")
    if known.auto is not None and known.policy is None:
        known.refuse("--auto needs a --policy to watch")
    arguments = environment_arguments(known, rest)
    from anchorgym.envs.registration import is_parallel

    if is_parallel(known.env):
        from anchorgym.training.play.round_table import sit_down

        return sit_down(known, arguments)
    if known.seat is not None or known.others:
        known.refuse(f"--seat and --with are for worlds of several agents; {known.env} is of one")
    table = _Table(known, arguments)
    return table.watch() if known.policy else table.play()


class _Table:
    """One sitting: the game, the screen, and what is kept of it."""

    def __init__(self, known: argparse.Namespace, arguments: dict[str, Any]) -> None:
        from anchorgym.envs import make
        from anchorgym.training.play.playing import Game
        from anchorgym.training.play.screen import Screen

        self.known, self.arguments = known, arguments
        _check_writable(known.record)
        self.seed = random.randrange(2**31) if known.seed is None else known.seed
        self.game: Game = Game(make(known.env, **arguments), known.task, self.seed)
        self.screen: Screen = Screen(Console(highlight=False))
        self.episodes: list[EpisodeRecord] = []

    def play(self) -> int:
        """Have a person play."""
        from anchorgym.training.play.playing import play_person

        self._introduce("Type an action or its number; :help lists what else can be typed.")
        status = EXIT_OK
        try:
            play_person(self.game, self.screen, self._ended)
        except EOFError:
            self._left()
        except KeyboardInterrupt:
            self._left()
            status = EXIT_INTERRUPTED
        self._keep()
        return status

    def watch(self) -> int:
        """Have a policy play, and show its turns one by one."""
        from anchorgym.training.evaluation.players import load_player
        from anchorgym.training.play.playing import play_policy

        known, game = self.known, self.game
        policy = load_player(known.policy, seed=self.seed).make()
        auto = known.auto is not None
        self._introduce(
            f"{known.policy} plays. " + ("" if auto else "Enter shows the next turn, q leaves.")
        )
        status = EXIT_OK
        try:
            with self.screen.console.status("playing"):
                played = play_policy(
                    policy, known.env, self.arguments, game.env.task, self.seed, known.temperature
                )
            self.episodes.append(played)
            self._show(played)
            game.stop = played["stop"]
            self._ended(game)
        except EOFError:
            self._left()
        except KeyboardInterrupt:
            self._left()
            status = EXIT_INTERRUPTED
        self._keep()
        return status

    def _show(self, played: EpisodeRecord) -> None:
        """Take the recorded turns once more, showing each."""
        game, screen = self.game, self.screen
        for turn in played["turns"]:
            screen.rule(len(game.turns) + 1, game.env.max_turns, played["goal"])
            screen.observation(turn["observation"])
            screen.turn(game.take(turn["action"], turn["response"]))
            self._pause()

    def _pause(self) -> None:
        if self.known.auto is not None:
            time.sleep(max(0.0, self.known.auto))
        elif self.screen.ask("").strip() in ("q", "quit", ":q", ":quit"):
            raise EOFError

    def _introduce(self, how: str) -> None:
        env = self.game.env
        self.screen.say(f"{self.known.env}, task {env.task!r}, seed {self.seed}")
        self.screen.say(how)

    def _ended(self, game: Game) -> None:
        from anchorgym.training.play.playing import expert_game

        expert = None
        if self.known.policy != "expert":
            expert = expert_game(self.known.env, self.arguments, game.env.task, self.seed)
        self.screen.ended(game, self.known.policy or "You", expert)

    def _left(self) -> None:
        turns = len(self.game.turns)
        self.screen.say(f"\nLeft after {turns} turn{'' if turns == 1 else 's'}.")

    def _keep(self) -> None:
        """Write the record that was asked for: the line of play as it stands."""
        if self.known.record is None:
            return
        from anchorgym.training.inspect.trajectories import Header, write_trajectories

        header: Header = {
            "format": 1,
            "env": self.known.env,
            "arguments": self.arguments,
            "purpose": "play",
        }
        episodes = self.episodes or [self.game.record()]
        write_trajectories(self.known.record, header, episodes)
        self.screen.say(f"recorded  {self.known.record}")


def _check_writable(record: Path | None) -> None:
    """Say that a record cannot be written before the game, not after it."""
    from anchorgym.training.config.sections import ConfigError

    if record is None:
        return
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--record: cannot write {record}: {error.strerror}") from error
    if record.is_dir():
        raise ConfigError(f"--record: {record} is a folder; name a file in it")
