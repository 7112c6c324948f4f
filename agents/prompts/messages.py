"""Messages of the user's side of a conversation: what a chat model reads in a turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from anchorgym.agents.policies.base import View
from anchorgym.agents.prompts.template import PastTurn

Part = tuple[str, bool]
"""A piece of a message, and whether it is our own text, whose markers are meant."""


class Situation(NamedTuple):
    """What a message is made of: a turn, and the turns before it that a prompt shows."""

    observation: str
    view: View
    past: Sequence[PastTurn] = ()
    """Past turns to show, the latest last; none in a transcript, which holds them already."""
    n_past: int = 0
    """Number of all past turns."""
    window: bool = False
    """Whether the message is a prompt of its own, not the next part of a transcript."""


class Message(Protocol):
    """Writes the messages."""

    def parts(self, now: Situation, ask: str) -> list[Part]:
        """Return a message in pieces.

        Args:
            now: the turn.
            ask: sentence that asks for an action in the form that can be read.
        """
        ...


class UsualMessage:
    """Messages after GiGPO's prompt (arXiv 2505.10978, appendix).

    They say the task, the last turns, the present observation and the admissible actions.
    """

    def parts(self, now: Situation, ask: str) -> list[Part]:
        """Return a message in pieces; see `Message.parts`."""
        return [(_window(now) if now.window else _turn(now), False), (ask, True)]


def _turn(now: Situation) -> str:
    task = "" if now.n_past else f"Your task: {now.view.goal}\n\n"
    return f"{task}You see: {now.observation}\n{_menu(now.view)}\n"


def _window(now: Situation) -> str:
    parts = [f"Your task: {now.view.goal}"]
    if now.past:
        first = now.n_past - len(now.past) + 1
        parts.append(f"You have taken {now.n_past} turns. The last of them:")
        for n, (seen, done) in enumerate(now.past, first):
            parts.append(f"[Turn {n}] You saw: {seen}\n[Turn {n}] You did: {done or 'nothing'}")
    parts.append(f"You see now: {now.observation}\n{_menu(now.view)}\n")
    return "\n\n".join(parts)


def _menu(view: View) -> str:
    lines = [] if view.action_valid else [f"Your last action was invalid: {view.reason}"]
    if view.admissible_actions:
        listed = ", ".join(f"'{action}'" for action in view.admissible_actions)
        lines.append(f"You can do: {listed}")
    return "\n".join(lines)
