"""The words of a game: which commands reach it, and its answers made readable."""

from __future__ import annotations

import re
from typing import Final

LONGEST_COMMAND: Final = 198
"""Characters; the interpreter cuts off what is longer."""

NOT_UNDERSTOOD: Final = re.compile(
    r"""
      not\ a\ verb\ I\ recogni[sz]e | I\ beg\ your\ pardon | any\ such\ thing
    | I\ (don't|didn't|do\ not)\ (know|understand) | I\ only\ understood | I\ can't\ see\ any
    | (no|a)\ (noun|verb)\ in\ that\ sentence | sentence\ isn't\ one | You\ have\ to\ be\ more
    | Which\ (one\ )?do\ you\ mean | Wh(at|o|om)\ do\ you\ want\ to
    """,
    re.VERBOSE,
)
"""What the parsers of Inform and of Infocom say of commands that they make nothing of."""

_ABOUT_THE_SESSION: Final = re.compile(
    r"""
      undo | restart | restore | quit | q | save | (un|no|tran)?script | verify
    | again | g | o | oops | recording | (un)?rec(on|off|ord)
    | replay | (super)?brief | verbose | normal | notify | tw-.*
    """,
    re.VERBOSE,
)
"""Verbs of the interpreter: they write files, end the session or bring an earlier state back."""
_SEPARATOR: Final = re.compile(r"[.;]|\bthen\b")
_STATUS_LINE: Final = re.compile(r"\n*>?[ ]{20,}[^\n]*\Z")
_PROMPT: Final = re.compile(r"\n\s*>\s*\Z")
_LOGO: Final = frozenset(" _|\\/$<>")
_MANY_LINES: Final = re.compile(r"\n\s*\n\s*\n")
_END: Final = re.compile(r"\*\*\*\s+(\S.{0,60}?)\s+\*\*\*")
_GOOD_END: Final = re.compile(r"\b(won|win|the end|victory)\b", re.IGNORECASE)


def objection(command: str) -> str:
    """Say why a command that is not known to be possible is kept from a game; or return ""."""
    if not (command.isascii() and command.isprintable()):
        return "the game reads plain printable characters only"
    if not command:
        return "the command is empty"
    if _ABOUT_THE_SESSION.fullmatch(command.split()[0].lower()):
        return "that is about the session, and no action within the game"
    if _SEPARATOR.search(command.lower()):
        return "a turn takes one command"
    return ""


def readable(text: str) -> str:
    """Return an answer without TextWorld's logo, the prompt, the status line and empty lines.

    The status line shows the turn: with it, no two turns would look alike.
    """
    lines = _PROMPT.sub("", _STATUS_LINE.sub("", text)).split("\n")
    first = next((i for i, line in enumerate(lines) if not _LOGO.issuperset(line)), len(lines))
    joined = "\n".join(line.rstrip() for line in lines[first:])
    return _MANY_LINES.sub("\n\n", joined).strip()


def ending(text: str) -> tuple[bool, bool]:
    """Return whether an answer says that the game was won, and that it was lost.

    Inform and TextWorld end with a line like "*** You have died ***".
    """
    found = _END.search(text)
    won = bool(found and _GOOD_END.search(found[1]))
    return won, bool(found) and not won
