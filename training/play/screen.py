"""The terminal screen of a player, which shows turns, actions and the end of an episode."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from anchorgym.agents.policies.base import View
from anchorgym.envs import TextEnv
from anchorgym.envs.texts import printable
from anchorgym.training.play.playing import ExpertGame, Game

if TYPE_CHECKING:
    from anchorgym.training.inspect.trajectories import TurnRecord

_SLOT = re.compile(r"<[^<>]*>")


MOST_LISTED = 80
"""Most actions that are listed with each turn, so that the observation stays visible."""


class Screen:
    """The interface to a person at a terminal; without a terminal, all output is plain text.

    Args:
        console: console to print on.
        typed: function that returns a typed line for a prompt, and raises EOFError at the end.
    """

    def __init__(self, console: Console, typed: Callable[[str], str] | None = None) -> None:
        self.console = console
        self._typed = _line if typed is None else typed
        self._echo = not sys.stdin.isatty()

    def show(self, env: TextEnv, observation: str, view: View) -> None:
        """Show the present turn."""
        self.rule(env.turn + 1, env.max_turns, view.goal)
        if env.turn and not view.action_valid:
            self.console.print(Text(f"invalid: {printable(view.reason)}", style="red"))
        self.observation(observation)
        self.console.print(_actions(view.admissible_actions))

    def rule(self, turn: int, limit: int, goal: str) -> None:
        """Print the heading of a turn."""
        self.console.print()
        self.console.print(Rule(f"turn {turn} of {limit}", align="left", style="dim"))
        self.console.print(Text.assemble(("goal  ", "dim"), (printable(goal), "bold")))

    def observation(self, text: str) -> None:
        """Show an observation."""
        self.console.print(Padding(Text(printable(text)), (1, 2), expand=False))

    def turn(self, turn: TurnRecord) -> None:
        """Show a policy's action in a turn."""
        table = Table.grid(padding=(0, 2))
        response = printable(turn["response"])
        if response.strip() not in ("", turn["action"]):
            table.add_row(Text("wrote", style="dim"), Text(response))
        table.add_row(
            Text("action", style="dim"), Text(printable(turn["action"]), style="bold cyan")
        )
        reward = Text(f"{turn['reward']:g}", style="green" if turn["reward"] > 0 else "")
        table.add_row(Text("reward", style="dim"), reward)
        if not turn["valid"]:
            reason = Text(printable(turn["reason"]), style="red")
            table.add_row(Text("invalid", style="red"), reason)
        self.console.print(table)

    def ended(self, game: Game, who: str, expert: ExpertGame | None) -> None:
        """Show the last observation of an episode, and its result."""
        self.console.print()
        self.console.print(Rule("the end", align="left", style="dim"))
        self.observation(game.seen[0])
        won = bool(game.info["won"])
        n = len(game.turns)
        table = Table.grid(padding=(0, 2))
        table.add_row("turns", f"{n} of {game.env.max_turns}" + ("" if won else f", {_how(game)}"))
        table.add_row("score", f"{game.score:g}, progress {game.env.progress():.0%}")
        invalid = sum(not turn["valid"] for turn in game.turns)
        if invalid:
            table.add_row("invalid", _times(invalid, "action"))
        if expert is not None:
            verdict = "wins in" if expert.won else "does not win in"
            knows = "" if expert.kind == "honest" else " (it knows everything)"
            table.add_row("expert", f"{verdict} {_times(expert.turns, 'turn')}{knows}")
        verdict = f"{who} won" if won else f"{who} did not win"
        style = "green" if won else "yellow"
        title = Text(verdict, style=f"bold {style}")
        self.console.print(Panel(table, title=title, expand=False, border_style=style))

    def say(self, text: str) -> None:
        """Print a remark."""
        self.console.print(Text(printable(text)))

    def ask(self, prompt: str, choices: tuple[str, ...] = ()) -> str:
        """Return a typed line; Tab completes it to one of `choices`."""
        with _completion(tuple(one for one in choices if printable(one) == one)):
            line = self._typed(prompt)
        if self._echo:  # so that a transcript shows what was typed
            print(line)
        return line


def _how(game: Game) -> str:
    return {
        "left": "left before the end",
        "turns": "out of turns",
        "context": "the policy's context is full",
        "stuck": "stuck in invalid turns",
    }.get(game.stop, "the world ended it")


def _times(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _actions(actions: tuple[str, ...]) -> RenderableType:
    """Return the numbered actions, in columns if there are many."""
    if not actions:
        return Text("no actions are listed: write what you like", style="dim")
    if len(actions) > MOST_LISTED:
        text = f"{len(actions)} actions are possible: write one; :actions lists them"
        return Text(text, style="dim")
    width = len(str(len(actions)))
    cells = [_action(f"{n:>{width}}", action) for n, action in enumerate(actions, 1)]
    if len(cells) <= 5:
        return Group(*cells)
    return Columns(cells, column_first=True, equal=True, padding=(0, 3))


def _action(number: str, action: str) -> Text:
    text = Text.assemble((f"{number}  ", "dim"), printable(action))
    text.highlight_regex(_SLOT, "italic magenta")
    return text


def _line(prompt: str) -> str:
    return input(prompt)


def _readline() -> ModuleType | None:
    """Return the module `readline` if there is one and the input is a terminal."""
    if not sys.stdin.isatty():
        return None
    try:
        import readline
    except ImportError:
        return None
    return readline


@contextlib.contextmanager
def _completion(choices: tuple[str, ...]) -> Iterator[None]:
    readline = _readline()
    if readline is None or not choices:
        yield
        return

    def complete(text: str, state: int) -> str | None:
        fitting = [choice for choice in choices if choice.startswith(text)]
        return fitting[state] if state < len(fitting) else None

    readline.set_completer(complete)
    readline.set_completer_delims("")
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(None)
