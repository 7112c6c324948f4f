"""`anchorgym play`: play an environment in the terminal, or watch a policy play it."""

from __future__ import annotations

import random
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK
from anchorgym.training.commands.command import Command, Settings, UsageError, option, seed_option

if TYPE_CHECKING:
    from anchorgym.agents.engines import EngineFactory
    from anchorgym.training.commands.environment import PlaySettings
    from anchorgym.training.inspect.trajectories import EpisodeRecord
    from anchorgym.training.play.playing import Game
    from anchorgym.training.play.screen import Screen


def run(known: Namespace, given: Settings) -> int:
    """Play one task."""
    from anchorgym.envs.registration import is_parallel
    from anchorgym.training.commands.environment import PlaySettings, require_named

    if known.auto is not None and known.policy is None:
        raise UsageError("--auto needs a player to watch: give --policy PLAYER")
    settings = PlaySettings.parse(given)
    known.env, arguments = require_named(settings.env, "play")
    known.engine = _engine(settings) if known.policy or vars(known)["with"] else None
    known.others = vars(known)["with"]
    if is_parallel(known.env):
        from anchorgym.training.play.round_table import sit_down

        return sit_down(known, arguments)
    if known.seat is not None or known.others:
        raise UsageError(
            f"--seat and --with are for worlds of several agents, and {known.env} is of one: "
            "leave them out"
        )
    table = _Table(known, arguments)
    return table.watch() if known.policy else table.play()


class _Table:
    """One session of play: the game, the screen, and the record."""

    def __init__(self, known: Namespace, arguments: dict[str, Any]) -> None:
        from anchorgym.envs import make
        from anchorgym.training.play.playing import Game
        from anchorgym.training.play.screen import Screen
        from anchorgym.training.run.console import SafeConsole

        self.known, self.arguments = known, arguments
        _check_writable(known.record)
        self.seed = random.randrange(2**31) if known.seed is None else known.seed
        self.game: Game = Game(make(known.env, **arguments), known.task, self.seed)
        self.screen: Screen = Screen(SafeConsole())
        self.episodes: list[EpisodeRecord] = []

    def play(self) -> int:
        """Let a person play."""
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
        """Let a policy play, and show its turns one by one."""
        from anchorgym.training.evaluation.players import load_player
        from anchorgym.training.play.playing import play_policy
        from anchorgym.training.rollout.types import StopReason

        known, game = self.known, self.game
        policy = load_player(known.policy, seed=self.seed, engine=known.engine).make()
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
            game.stop = StopReason(played["stop"])
            self._ended(game)
        except EOFError:
            self._left()
        except KeyboardInterrupt:
            self._left()
            status = EXIT_INTERRUPTED
        self._keep()
        return status

    def _show(self, played: EpisodeRecord) -> None:
        """Step through the recorded turns and show each."""
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
        """Write the episode so far to the file of --record, if it is given."""
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


def _engine(settings: PlaySettings) -> EngineFactory:
    from anchorgym.training.run.components import find_factory

    return find_factory(settings)


def _check_writable(record: Path | None) -> None:
    """Check that the record can be written, before the game begins."""
    from anchorgym.training.config.run_folders import require_own_file
    from anchorgym.training.config.section import ConfigError

    if record is None:
        return
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--record: cannot write {record}: {error.strerror}") from error
    require_own_file(record, _is_recorded)


def _is_recorded(path: Path) -> bool:
    """Whether a file holds an episode that was played here before."""
    from anchorgym.training.inspect.trajectories import TrajectoryError, read_trajectories

    try:
        return read_trajectories(path)[0].get("purpose") == "play"
    except TrajectoryError:
        return False


COMMAND = Command(
    name="play",
    summary="Play an environment in the terminal, or watch a policy play it.",
    about="""
        Shows each observation and asks for an action or its number; :help lists further commands.
        At the end it shows the score and the result of the environment's expert.

        A player is expert, random, script:NAME,NAME if the world has scripts, the folder of
        a saved policy, or module:Name for a loader of your own.""",
    examples=(
        "anchorgym play corridor:me/Corridor-v0",
        "anchorgym play anchorgym/ALFWorld-v0 --policy runs/NAME/policy --auto 1",
        "anchorgym play anchorgym/ALFWorld-v0 --policy runs/NAME/policy --device cuda",
        "anchorgym play haggling:me/Haggling-v0 --seat player_1 --with player_0=random",
    ),
    arguments=(
        option("--task", "ID", "Task to play; by default a random one of the split."),
        seed_option("Seed of all random draws; by default a new one.", default=None),
        option("--policy", "PLAYER", "Player to watch, in place of playing yourself."),
        option(
            "--temperature",
            "T",
            "Temperature of a saved policy; 0 takes the likeliest action.",
            type=float,
            default=0.0,
            least=0,
        ),
        option(
            "--auto",
            "SECONDS",
            "Time between two turns that are watched, instead of waiting for Enter.",
            type=float,
            least=0,
        ),
        option("--seat", "AGENT", "Agent that you play, in a world of several."),
        option(
            "--with",
            "SEAT=PLAYER",
            "Player of another agent, in a world of several. A seat may be a pattern such as "
            "defender_*; may be given again. By default --policy plays, or the expert.",
            many=True,
        ),
        option("--record", "FILE", "File to write the episode to.", type=Path),
    ),
    settings="anchorgym.training.commands.environment:PlaySettings",
    takes_environment=True,
    run=run,
)
