"""Actions that no world expects, and what a sound answer to them looks like."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from gymnasium import Space

from anchorgym.envs.checking.moments import Moment
from anchorgym.envs.checking.probe import admissible, is_template
from anchorgym.envs.checking.report import shown
from anchorgym.envs.texts import BIDI_CONTROLS

LONGEST_REASON = 500
NONSENSE = "qwxz 0417 no such action"
BIDI = "\u202egnihton\u202c"


class Poison(NamedTuple):
    """Something that a policy may say."""

    name: str
    action: Any
    refused: bool = True
    """Whether no sound world may call it valid."""


def poisons(moment: Moment) -> list[Poison]:
    """Return actions that a world must survive in the state of `moment`."""
    listed = admissible(moment)
    # Where every text can be an answer, nonsense is one too.
    closed = bool(listed) and not any(is_template(action) for action in listed)
    some = listed[0] if listed else "go"
    return [
        Poison("nonsense", NONSENSE, closed),
        Poison("an empty action", ""),
        Poison("white space", " \t\n", closed),
        Poison("a NUL character", f"{some}\0"),
        Poison("a lone surrogate", f"{some}\ud800"),
        Poison("bidi controls", BIDI, closed),
        Poison("bidi controls in an action", f"{some}{BIDI}", False),
        Poison("a million characters", "a" * 1_000_000),
        Poison("as long as it may be", "a" * 4096, closed),
        Poison("deep brackets", "[(" * 2000, closed),
        Poison("format fields", "{0} {} %s %n \\1 $x", closed),
        Poison("a number instead of a string", 7),
    ]


def refusal_problems(
    space: Space[Any], got: Moment, poison: Poison, turns: int
) -> Iterator[tuple[str, str]]:
    """Say what is wrong with the answer to a poison that cost `turns`: (problem, remedy)."""
    reason, valid = got.info.get("reason"), got.info.get("action_valid")
    if turns != 1:
        yield f"cost {turns} turns", "count every action, refused ones too, as one turn"
    if valid and poison.refused:
        yield "was taken for valid", "give Outcome a reason when an action does nothing"
    if bool(valid) == bool(reason):
        yield f"action_valid is {valid}, reason {shown(reason)}", "give each refusal a reason"
    if isinstance(reason, str):
        short = "keep reasons short and printable: quote no more than a part of the action"
        if len(reason) > LONGEST_REASON:
            yield f"the reason has {len(reason)} characters", short
        if not _harmless(reason):
            yield f"the reason holds control characters: {ascii(reason)[:80]}", short
    if got.observation not in space:
        yield f"the observation {shown(got.observation)} is outside its space", "shorten it"


def _harmless(text: str) -> bool:
    return not any(unicodedata.category(c) in ("Cc", "Cs") or c in BIDI_CONTROLS for c in text)
