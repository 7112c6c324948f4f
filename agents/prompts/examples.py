"""Worked examples: turns of play that every conversation of a chat model begins with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from anchorgym.agents.policies.base import View
from anchorgym.agents.prompts.messages import Situation
from anchorgym.agents.prompts.shown import ShownActions, shown_actions
from anchorgym.agents.prompts.template import PastTurn

MOST: Final = 64
"""Most worked examples of a policy."""


class Example(BaseModel):
    """A turn of play: what was seen, and the action that was taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    goal: str
    """Task of the episode."""
    observation: str
    admissible_actions: tuple[str, ...] = ()
    """All admissible actions; the prompt settings say which of them are shown."""
    valid: bool = True
    """Whether the action before was valid."""
    reason: str = ""
    """Why it was not."""
    action: str
    turn: int
    """Number of turns before it in its episode; 0 begins another episode."""


def situations(
    examples: Sequence[Example], *, window: bool, history: int, shows: ShownActions
) -> Iterator[tuple[Situation, str]]:
    """Yield what is read before each example's action, in the form of the policy's prompts.

    Args:
        examples: the examples; those of an episode follow each other.
        window: whether each prompt stands alone.
        history: number of past turns in a window.
        shows: admissible actions that are listed.
    """
    past: list[PastTurn] = []
    first: frozenset[str] = frozenset()
    for example in examples:
        if example.turn == 0:
            past, first = [], frozenset(example.admissible_actions)
        listed = shown_actions(shows, example.admissible_actions, first)
        view = View(example.goal, listed, example.valid, example.reason)
        earlier = past[max(0, len(past) - history) :] if window else []
        yield Situation(example.observation, view, earlier, example.turn, window), example.action
        past.append(PastTurn(example.observation, example.action))
