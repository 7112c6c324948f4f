"""The work of a team: a question, or any single-agent world."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from anchorgym.envs.core import JSON, TextEnv
from anchorgym.envs.errors import NoExpertError, OptionError, UnknownTaskError
from anchorgym.envs.redteam.episodes import made_up
from anchorgym.envs.redteam.language import Message, same
from anchorgym.envs.redteam.questions import SPLITS, Question, questions
from anchorgym.envs.redteam.tools import CALCULATOR, LOGBOOK, work_out

_SIGNAL: Final = "signal"


class Work(ABC):
    """The work of a team. Only the decider's messages count."""

    noun: str
    """What the result is called in requests: "answer" or "action"."""
    splits: tuple[str, ...]
    rounds: int | None
    """The number of rounds; None stands for as many as the team needs."""
    every_word_counts: bool
    """Whether each message of the decider goes out, or only the last."""
    asks: str
    """What is to be done, in words."""
    wrong: str
    """A result that is not right, and could be taken for it."""
    problem: str = ""
    """Why the decider's last action did nothing; empty if it did something."""

    @abstractmethod
    def start(self, split: str, number: int) -> None:
        """Begin the piece of work that a split and a number name.

        Raises:
            UnknownTaskError: there is none; before anything has changed.
        """

    @abstractmethod
    def hear(self, message: Message, chance: np.random.Generator) -> bool:
        """Take the decider's message of a round; return whether the work is over."""

    @abstractmethod
    def result(self, message: Message) -> str:
        """Return the result that a message states; empty if it states none."""

    @abstractmethod
    def is_right(self, result: str) -> bool:
        """Whether a result is right; in a world, whether it is won."""

    @abstractmethod
    def advice(self) -> str:
        """Return what a good member would state as the result, if nobody else spoke."""

    def look(self) -> str:
        """Return what every member sees of it now."""
        return ""

    def opening(self) -> str:
        """Return the statement that a good member begins with; empty if there is none."""
        return ""

    def statements(self) -> tuple[str, ...]:
        """Return the statements of results that do something now; may be templates."""
        return ("answer: <value>",)

    @abstractmethod
    def state(self) -> JSON:
        """Return what has changed since `start`."""

    @abstractmethod
    def load(self, state: JSON) -> None:
        """Take a state that `state` returned."""

    def key(self) -> JSON:
        """Return what the future depends on, for an anchor."""
        return self.state()


class QuestionWork(Work):
    """A question, to be answered in the last round; see `questions`."""

    noun = "answer"
    splits = SPLITS
    rounds = None
    every_word_counts = False

    def __init__(self, source: str) -> None:
        self._source = questions(source)
        self.question: Question

    def start(self, split: str, number: int) -> None:
        """Ask a question."""
        self.question = self._source.question(split, number)
        self.asks, self.wrong = self.question.text, self.question.wrong

    def hear(self, message: Message, chance: np.random.Generator) -> bool:
        """Listen; the rounds end by themselves."""
        return False

    def result(self, message: Message) -> str:
        """Return the answer."""
        return message.answer

    def is_right(self, result: str) -> bool:
        """Whether the answer is right."""
        return bool(result) and self._source.is_right(self.question, result)

    def advice(self) -> str:
        """Return the right answer."""
        return self.question.answer

    def opening(self) -> str:
        """Have a sum worked out; take down that anything else was begun."""
        if work_out(self.asks) is None:
            return f"call {LOGBOOK}: begun"
        return f"call {CALCULATOR}: {self.asks}"

    def state(self) -> JSON:
        """Return nothing: a question stays as it is."""
        return None

    def load(self, state: JSON) -> None:
        """Take nothing."""


class WorldWork(Work):
    """A single-agent world, in which the decider acts and all see what happens.

    Requests for a wrong action name a made-up one, `signal cedar-12`, that costs a round and does
    nothing: whoever takes it was told to.

    Args:
        env: the world. Its task is the number-th of the split, round and round.
    """

    noun = "action"
    every_word_counts = True

    def __init__(self, env: TextEnv) -> None:
        self.env = env
        self.splits = env.splits
        self.rounds = env.max_turns
        self._seen = ""
        self._can: tuple[str, ...] = ()

    def start(self, split: str, number: int) -> None:
        """Begin the world's task."""
        panel: Sequence[str] = self.env.tasks(split)
        if not panel:
            raise UnknownTaskError(f"{split}/…/{number}", hint="The world's split is empty.")
        task = panel[number % len(panel)]
        self._seen, info = self.env.reset(seed=0, options={"task": task})
        self._can = info["admissible_actions"]
        self.asks = self.env.goal
        self.wrong = f"{_SIGNAL} {made_up(f'redteam/world/{task}/{number}')}"

    def hear(self, message: Message, chance: np.random.Generator) -> bool:
        """Act in the world; without an action of its own it stands still."""
        self.problem = ""
        if not message.action or message.action.split()[0].casefold() == _SIGNAL:
            return False
        self.env.np_random = chance
        self._seen, _, terminated, truncated, info = self.env.step(message.action)
        self._can, self.problem = info["admissible_actions"], info["reason"]
        return terminated or truncated

    def result(self, message: Message) -> str:
        """Return the action."""
        return message.action

    def is_right(self, result: str) -> bool:
        """Whether the world is won."""
        return self.env.won()

    def advice(self) -> str:
        """Return what the world's expert would do; where there is none, its first action."""
        try:
            return self.env.expert_action()
        except NoExpertError:
            return self._can[0] if self._can else ""

    def look(self) -> str:
        """Return the world's last observation."""
        return self._seen

    def statements(self) -> tuple[str, ...]:
        """Return what can be done now."""
        return (*(f"do: {action}" for action in self._can), f"do: {_SIGNAL} <words>")

    def state(self) -> JSON:
        """Return the world's snapshot."""
        return self.env.snapshot().decode()

    def load(self, state: JSON) -> None:
        """Restore the world's snapshot."""
        self._seen, info = self.env.restore(state.encode())
        self._can = info["admissible_actions"]

    def key(self) -> JSON:
        """Return the world's anchor and what members see of the world."""
        return [self.env.anchor().hex(), self._seen]


def find_work(source: str, options: dict[str, Any] | None = None) -> Work:
    """Return the work that a name stands for: questions, or the id of a text environment.

    Raises:
        OptionError: there are no such questions.
        UnknownEnvError: there is no such environment.
    """
    if "/" not in source:
        if options:
            raise OptionError(f"the questions {source!r} take no options, got {sorted(options)}")
        return QuestionWork(source)
    from anchorgym.envs.registration import make  # the worlds are registered after this module

    return WorldWork(make(source, **(options or {})))


def matches(wanted: str, result: str) -> bool:
    """Whether a result is the expected one."""
    return bool(result) and same(wanted, result)
