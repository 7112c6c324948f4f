"""`anchorgym play` in a multi-agent world: one match, from the first turn to the scores."""

from __future__ import annotations

import argparse
import random
from typing import Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from anchorgym.agents.policies.base import Policy
from anchorgym.envs import make_parallel
from anchorgym.envs.errors import OptionError
from anchorgym.envs.texts import printable
from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK
from anchorgym.training.play.screen import Screen
from anchorgym.training.play.seating import (
    Announced,
    SeatedPerson,
    fill_seats,
    find_seat,
    play_seats,
    start_for,
)
from anchorgym.training.rollout.types import Match
from anchorgym.training.run.console import SafeConsole


def sit_down(known: argparse.Namespace, arguments: dict[str, Any]) -> int:
    """Play one match with a person in a seat, or show a match of policies.

    Args:
        known: options of `anchorgym play`.
        arguments: keyword arguments of the world.

    Raises:
        OptionError: a seat or a player does not exist, or --record is given.
    """
    if known.record is not None:
        raise OptionError("--record is for worlds of one agent")
    env: Any = make_parallel(known.env, **arguments)
    watched = known.seat is None and known.policy is not None
    seat = None if watched else find_seat(env, known.seat)
    seed = random.randrange(2**31) if known.seed is None else known.seed
    screen = Screen(SafeConsole())
    start = start_for(env, seat, known.task, seed)
    seats: dict[str, Policy] = fill_seats(env, known.policy, known.others, seed, known.engine)
    if seat is None:
        seats = {agent: Announced(policy, screen) for agent, policy in seats.items()}
    else:
        seats[seat] = SeatedPerson(screen)
    task = f", task {start.task!r}" if start.task else ""
    screen.say(f"{known.env}{task}, seed {seed}")
    if seat is not None:
        screen.say(f"You are {seat}. Type an action or its number; :help lists what else.")
    try:
        match = play_seats(env, seats, start, known.temperature)
    except EOFError:
        screen.say("\nLeft before the end.")
        return EXIT_OK
    except KeyboardInterrupt:
        screen.say("\nLeft before the end.")
        return EXIT_INTERRUPTED
    _show_end(screen, env, match, seat)
    return EXIT_OK


def _show_end(screen: Screen, env: Any, match: Match, seat: str | None) -> None:
    """Show the seat's last observation, the world's own summary, and the scores."""
    if seat is not None:
        screen.observation(match.sides[seat].final_observation)
    if hasattr(env, "record"):
        screen.say(env.record().transcript())
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(no_wrap=True)
    for agent, side in match.sides.items():
        name = "you" if agent == seat else agent
        invalid = sum(not turn.valid for turn in side.turns)
        notes = [f"{len(side.turns)} turns", *([f"{invalid} invalid"] if invalid else [])]
        won = Text("won", style="green") if side.won else Text("")
        table.add_row(Text(printable(name)), f"score {side.score:g}", ", ".join(notes), won)
    screen.console.print(Panel(table, title="the end", expand=False))
