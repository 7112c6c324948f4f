"""A language model as a player: it reads the battle and picks from numbered menus.

Any function from texts to texts will do: a local model, a server, a person. Nothing but numbers
of the menus is taken for a choice, so whatever is written, what is played is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from anchorgym.envs.vgc.actions import PASS, Pair, choices_after, legal_pairs, plans
from anchorgym.envs.vgc.arena import Asked
from anchorgym.envs.vgc.knowledge import Knowledge
from anchorgym.envs.vgc.situation import Situation, situation
from anchorgym.envs.vgc.text import describe

Ask = Callable[[Sequence[str]], Sequence[str]]
"""Answers prompts, each by itself, in their order."""

_NUMBER: Final = re.compile(r"\d+")
_AIMS: Final = {-2: "your own place 2", -1: "your own place 1", 1: "foe 1", 2: "foe 2"}
_GIMMICKS: Final = ("", "mega evolve, then ", "Z-move: ", "dynamax, then ", "terastallize, then ")
_ASK_TURN: Final = "Answer with two numbers, one from each menu, on the last line, such as `3 1`."
_PROBLEM: Final = "\nThat was no answer: the last line has to be numbers of the menus alone."
_ASK_LEAD: Final = (
    "Answer with the numbers of the four Pokémon to bring, the two that lead first, on the last "
    "line, such as `3 4 1 2`."
)


class LanguagePlayer:
    """Has a language model choose.

    Args:
        ask: the model.
        known: of the format.
        tries: how often a decision is asked for; each prompt after the first says what was wrong.
            Then the first choice of the menus is played.
    """

    wants = ("request", "view", "log")

    def __init__(self, ask: Ask, known: Knowledge, *, tries: int = 2) -> None:
        self._ask, self._known, self._tries = ask, known, tries
        self.failed = 0
        """Decisions in which no answer could be read."""

    def choose(self, asked: Sequence[Asked]) -> list[Pair]:
        """Prompt for all decisions at once, and again for those whose answer could not be read."""
        places = [situation(one.told, one.seat, self._known.tables) for one in asked]
        prompts = [self._prompt(one, now) for one, now in zip(asked, places, strict=True)]
        pairs: dict[int, Pair] = {}
        for attempt in range(self._tries):
            left = [n for n in range(len(asked)) if n not in pairs]
            problem = _PROBLEM if attempt else ""
            answers = self._ask([f"{prompts[n]}{problem}" for n in left]) if left else ()
            for n, answer in zip(left, answers, strict=True):
                pair = read_answer(answer, places[n])
                if pair is not None:
                    pairs[n] = pair
        self.failed += len(asked) - len(pairs)
        return [
            pairs[n] if n in pairs else next(iter(legal_pairs(now.legal)))
            for n, now in enumerate(places)
        ]

    def _prompt(self, one: Asked, now: Situation) -> str:
        error = one.told.get("error", "").partition("] ")[2]
        text = describe(now, self._known.tables, one.told["log"], error, teaches=False)
        return f"{text}\n{menus(now)}"


def menus(now: Situation) -> str:
    """Return the numbered menus of a decision, and how to answer."""
    if now.preview:
        return _ASK_LEAD
    parts = []
    for slot in (0, 1):
        own = now.active_own()[slot]
        who = own.species if own else "the one that is gone"
        parts.append(f"Menu {slot + 1}, for {who}:")
        parts += [f"  {n}. {words(now, slot, c)}" for n, c in enumerate(now.legal[slot], 1)]
    return "\n".join([*parts, _ASK_TURN])


def words(now: Situation, slot: int, choice: int) -> str:
    """Return one Pokémon's choice in words."""
    if choice == PASS:
        return "do nothing"
    if choice <= 6:
        return f"switch to {now.own[choice - 1].species}"
    gimmick, rest = divmod(choice - 7, 20)
    number, aim = divmod(rest, 5)
    order = now.orders[slot]
    name = order["moves"][number]["move"] if order else f"move {number + 1}"
    target = aim - 2
    foe = now.active_foes()[target - 1] if target > 0 else None
    at = f" on {_AIMS[target]}{f' ({foe.species})' if foe else ''}" if target else ""
    return f"{_GIMMICKS[gimmick]}{name}{at}"


def read_answer(answer: str, now: Situation) -> Pair | None:
    """Return the joint choice that the last line with numbers names; None if it names none."""
    lines = [line for line in answer.strip().splitlines() if _NUMBER.search(line)]
    numbers = [int(word) for word in _NUMBER.findall(lines[-1])] if lines else []
    if now.preview:
        return _plan(numbers, len(now.own))
    if len(numbers) != 2 or not all(
        1 <= n <= len(legal) for n, legal in zip(numbers, now.legal, strict=True)
    ):
        return None
    first, second = now.legal[0][numbers[0] - 1], now.legal[1][numbers[1] - 1]
    return (first, second) if second in choices_after(now.legal, first) else None


def _plan(numbers: Sequence[int], size: int) -> Pair | None:
    if len(numbers) != 4 or len(set(numbers)) != 4 or not all(1 <= n <= size for n in numbers):
        return None
    leads, backs = sorted(numbers[:2]), sorted(numbers[2:])
    return plans().index((leads[0], leads[1], backs[0], backs[1])), 0
