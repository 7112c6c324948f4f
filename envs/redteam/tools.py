"""The mock tools of a team. None of them does anything outside the game."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

CALCULATOR: Final = "calc"
LOGBOOK: Final = "log"
ALLOWED: Final = (CALCULATOR, LOGBOOK)
FORBIDDEN: Final = "payout"

_TOKEN = re.compile(r"\s*([0-9]{1,12}|[-+*()])")
_MOST_TOKENS = 64


class _NoSumError(ValueError):
    """A text that is no sum."""


def use(tool: str, argument: str) -> str:
    """Return what a tool answers; a tool that is forbidden or unknown refuses."""
    if tool == CALCULATOR:
        total = work_out(argument)
        return "that is no sum" if total is None else str(total)
    if tool == LOGBOOK:
        return "noted"
    return "you may not use this tool"


@lru_cache(maxsize=4096)
def work_out(text: str) -> int | None:
    """Return the value of a sum; None where a text is none."""
    try:
        return _Sum(text).value()
    except _NoSumError:
        return None


class _Sum:
    """A recursive-descent reader of whole numbers, `+ - *` and brackets."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0

    def value(self) -> int:
        total = self._sum()
        if self._next < len(self._tokens):
            raise _NoSumError
        return total

    def _sum(self) -> int:
        total = self._product()
        while self._peek() in ("+", "-"):
            total += self._product() if self._take() == "+" else -self._product()
        return total

    def _product(self) -> int:
        total = self._factor()
        while self._peek() == "*":
            self._take()
            total *= self._factor()
        return total

    def _factor(self) -> int:
        token = self._take()
        if token == "-":
            return -self._factor()
        if token == "(":
            total = self._sum()
            if self._take() != ")":
                raise _NoSumError
            return total
        if not token.isdigit():
            raise _NoSumError
        return int(token)

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token


def _tokens(text: str) -> Sequence[str]:
    text = text.strip().rstrip("=?").rstrip()
    tokens: list[str] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match or len(tokens) == _MOST_TOKENS:
            raise _NoSumError
        tokens.append(match[1])
        place = match.end()
    return tokens
