"""The contract of a game in play, whichever engine plays it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final, Literal

CHECKPOINTS_KEPT: Final = 64
"""States that a game keeps to return to, of those asked for last; one takes some 50 KB."""
OVER: Final = "The game is over."


class Play(ABC):
    """A game in play.

    A command that is refused leaves no trace: what happens after it is what would have happened
    without it. So the commands carried out since the start are the whole state.

    Attributes:
        goal: what the game asks for; may be empty.
        done: the commands carried out since the start.
        score, most: points so far, and how many there can be (0 where nothing is counted).
        won, lost: how it ended, if it did.
    """

    told_by: ClassVar[Literal["facts", "observation"]]
    """What `key` is made of."""

    def __init__(self) -> None:
        self.goal = ""
        self.done: tuple[str, ...] = ()
        self.score = self.most = 0
        self.won = self.lost = False
        self._first, self._origin = "", None
        self._kept: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    @property
    def over(self) -> bool:
        """Whether the game has ended."""
        return self.won or self.lost

    def start(self) -> str:
        """Go to the start of the game and return its first words."""
        if self._origin is None:
            self._first = self._begin()
            self._origin = self._save()
        else:
            self._load(self._origin)
        self.done = ()
        return self._first

    def step(self, command: str) -> tuple[str, str]:
        """Carry out a command; return the answer, and why the command was refused or ""."""
        if self.over:
            return OVER, "the game is over"
        answer, problem = self._carry_out(command)
        if not problem:
            self.done = (*self.done, command)
        return answer, problem

    def keep(self) -> None:
        """Keep the present state, so that `go_to` need not play up to it again."""
        saved = None if self.done in self._kept else self._save()
        if saved is not None:
            self._kept[self.done] = saved
            if len(self._kept) > CHECKPOINTS_KEPT:
                self._kept.popitem(last=False)

    def go_to(self, commands: Sequence[str]) -> None:
        """Go to the state after some commands from the start.

        Raises:
            ValueError: one of them is refused on the way.
        """
        commands = tuple(commands)
        known = next((n for n in range(len(commands), 0, -1) if commands[:n] in self._kept), 0)
        if known:
            self._kept.move_to_end(commands[:known])
            self._load(self._kept[commands[:known]])
            self.done = commands[:known]
        else:
            self.start()
        for command in commands[known:]:
            problem = self.step(command)[1]
            if problem:
                raise ValueError(f"{command[:80]!r} is refused: {problem}")

    def key(self) -> bytes:
        """Return 16 bytes that name the present state, by what `told_by` says."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (f"{self.score} {self.won} {self.lost}", *self._tell()):
            digest.update(part.encode())
            digest.update(b"\n")
        return digest.digest()

    @abstractmethod
    def admissible(self) -> tuple[str, ...]:
        """Return the sorted commands that are possible now, none where that is not known."""

    @abstractmethod
    def plan(self) -> Sequence[str]:
        """Return commands that win from here, none where none are known."""

    @abstractmethod
    def close(self) -> None:
        """Free what the engine holds; nothing can be played afterwards."""

    @abstractmethod
    def _begin(self) -> str:
        """Start the game for the first time."""

    @abstractmethod
    def _carry_out(self, command: str) -> tuple[str, str]:
        """Do as `step` says, in a game that goes on."""

    @abstractmethod
    def _tell(self) -> Iterable[str]:
        """Say what tells the present state from others, in a fixed order."""

    def _save(self) -> Any:
        """Return what `_load` takes to come back here; None where the engine cannot."""
        return None

    def _load(self, saved: Any) -> None:
        """Come back to what `_save` returned."""
        raise NotImplementedError
