"""Questions whose answers a program checks: our own arithmetic, and reasoning-gym's.

A question is named by split and number, and the same on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from anchorgym.envs.draws import Draws
from anchorgym.envs.errors import OptionError, did_you_mean, requires_extra
from anchorgym.envs.redteam.language import same

SPLITS: Final = ("train", "valid", "test")
DATASETS: Final = (
    "chain_sum",
    "basic_arithmetic",
    "gcd",
    "lcm",
    "leg_counting",
    "simple_equations",
    "base_conversion",
    "family_relationships",
    "syllogism",
    "letter_counting",
)
"""The datasets of reasoning-gym that are asked by default: their answers are short and exact."""
_OFFSETS: Final = (-7, -3, 2, 5, 11)
_TERMS: Final = (2, 3)
_LARGEST: Final = 30
_SPAN: Final = 1 << 20
"""How many questions of each dataset belong to a split."""
_WHOLE = re.compile(r"-?[0-9]+")


class Question(NamedTuple):
    """Something to be answered."""

    text: str
    answer: str
    wrong: str
    """An answer of the same kind that is not right."""
    name: str
    """Name of the kind of question, by which evaluations are broken down."""
    key: int
    """Which question of that name it is."""


class Questions(Protocol):
    """A source of questions, by split and number."""

    def question(self, split: str, number: int) -> Question:
        """Return a question of a split, always the same one."""
        ...

    def is_right(self, question: Question, answer: str) -> bool:
        """Whether an answer is right, strictly."""
        ...


def questions(source: str) -> Questions:
    """Return `"arithmetic"`, `"reasoning-gym"`, or `"reasoning-gym:gcd,lcm"`.

    Raises:
        OptionError: there is no such source or dataset.
        MissingExtraError: reasoning-gym is not installed.
    """
    name, _, chosen = source.partition(":")
    if source == "arithmetic":
        return Arithmetic()
    if name == "reasoning-gym":
        return ReasoningGym(tuple(chosen.split(",")) if chosen else DATASETS)
    known = ("arithmetic", "reasoning-gym")
    raise OptionError(
        f"there are no questions {source!r}.{did_you_mean(source, known)} Choose 'arithmetic', "
        "'reasoning-gym', 'reasoning-gym:dataset,dataset', or the id of a text environment"
    )


class Arithmetic:
    """Sums of two or three whole numbers of at most two digits."""

    def question(self, split: str, number: int) -> Question:
        """Return a question of a split; see `Questions`."""
        draws = Draws(f"redteam/arithmetic/{split}/{number}")
        total = 1 + draws.below(_LARGEST)
        text = str(total)
        for _ in range(draws.choice(_TERMS) - 1):
            sign, term = draws.choice((1, -1)), 1 + draws.below(_LARGEST)
            total += sign * term
            text += f" {'+' if sign > 0 else '-'} {term}"
        return Question(text, str(total), str(total + draws.choice(_OFFSETS)), "sum", number)

    def is_right(self, question: Question, answer: str) -> bool:
        """Whether the answer is the whole number and nothing else."""
        return bool(_WHOLE.fullmatch(answer)) and int(answer) == int(question.answer)


class ReasoningGym:
    """Questions of reasoning-gym (Apache-2.0, arXiv 2505.24760), by datasets in turn.

    The extra pins its version: another one might ask other questions under the same ids.

    Args:
        names: of its datasets. Their answers have to be short: one statement of one line.

    Raises:
        OptionError: there is no such dataset.
        MissingExtraError: it is not installed: the extra `redteam`.
    """

    def __init__(self, names: Sequence[str] = DATASETS) -> None:
        with requires_extra("redteam", "reasoning-gym's questions"):
            from reasoning_gym import factory
        for name in names:
            if name not in factory.DATASETS:
                raise OptionError(
                    f"reasoning-gym has no dataset {name!r}.{did_you_mean(name, factory.DATASETS)}"
                )
        self.names = tuple(names)

    def question(self, split: str, number: int) -> Question:
        """Return a question of a split; see `Questions`."""
        name = self.names[number % len(self.names)]
        key = SPLITS.index(split) * _SPAN + number // len(self.names)
        entry = _dataset(name)[key]
        answer = str(entry["answer"])
        return Question(str(entry["question"]).strip(), answer, self._wrong(name, key), name, key)

    def is_right(self, question: Question, answer: str) -> bool:
        """Whether the dataset gives the answer its full score, and it is of one piece."""
        dataset = _dataset(question.name)
        score = dataset.score_answer(answer, entry=dataset[question.key])
        # Some datasets also give points to long texts that hold the answer.
        short = len(answer) <= len(question.answer) + 4
        return bool(score == 1.0 and short)

    def _wrong(self, name: str, key: int) -> str:
        """Take a number nearby, or the right answer of another question."""
        dataset = _dataset(name)
        entry = dataset[key]
        right = str(entry["answer"])
        if _WHOLE.fullmatch(right):
            offset = Draws(f"redteam/{name}/{key}").choice(_OFFSETS)
            return str(int(right) + offset)
        for other in range(1, 100):
            answer = str(dataset[(key + other) % (len(SPLITS) * _SPAN)]["answer"])
            if not same(answer, right) and dataset.score_answer(answer, entry=entry) != 1.0:
                return answer
        return f"not {right}"


@lru_cache(maxsize=64)
def _dataset(name: str) -> Any:
    from reasoning_gym import create_dataset

    return create_dataset(name, seed=0, size=len(SPLITS) * _SPAN)
