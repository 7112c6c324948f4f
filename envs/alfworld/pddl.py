"""Reading the PDDL problem and the grammar of an official game file."""

from __future__ import annotations

import json
import re
import sys
from typing import Final

from anchorgym.envs.alfworld.goal import Goal, GoalKind
from anchorgym.envs.errors import CorruptGameError

Fact = tuple[str, ...]
"""A lower-cased PDDL atom, predicate first: `("inreceptacle", "mug_bar_…", "desk_bar_…")`."""

_COMMENT: Final = re.compile(r";[^\n]*")
_ATOM: Final = re.compile(r"\(([^()]+)\)")
_TASK: Final = re.compile(r'"Your task is to: ((?:[^"\\]|\\.)*)"')
_OBJECT_TYPE: Final = re.compile(r"\(objecttype \?(\w+) (\w+)\)")
_RECEPTACLE_TYPE: Final = re.compile(r"\(receptacletype \?\w+ (\w+)\)")
_UNSUPPORTED: Final = ("issliced", "inreceptacleobject")
_PROPERTY_KINDS: Final[dict[str, GoalKind]] = {
    "isclean": "clean",
    "ishot": "heat",
    "iscool": "cool",
}


def parse_problem(text: str) -> tuple[list[Fact], Goal]:
    """Return the initial facts and the goal of a PDDL problem.

    Raises:
        CorruptGameError: it has no initial state or no goal, or the goal is none of the six.
    """
    text = _COMMENT.sub("", text).lower()
    start, end = text.find("(:init"), text.find("(:goal")
    if not 0 <= start < end:
        raise CorruptGameError("its PDDL problem lacks (:init …) followed by (:goal …)")
    facts = [tuple(atom.split()) for atom in _ATOM.findall(text, start, end)]
    return facts, parse_goal(text[end:])


def parse_goal(text: str) -> Goal:
    """Return the goal of a lower-cased PDDL goal expression.

    Raises:
        CorruptGameError: the goal is none of the six task types'.
    """
    text = " ".join(text.split())
    objects = {variable: short_type(kind) for variable, kind in _OBJECT_TYPE.findall(text)}
    receptacles = {short_type(kind) for kind in _RECEPTACLE_TYPE.findall(text)}
    if not any(word in text for word in _UNSUPPORTED):
        if "istoggled" in text and {"o", "ot"} <= objects.keys():
            return Goal("look", objects["o"], objects["ot"])
        if len(receptacles) == 1:
            target = receptacles.pop()
            if "o1" in objects and objects["o1"] == objects.get("o2"):
                return Goal("two", objects["o1"], target)
            if "o" in objects:
                kinds = [kind for word, kind in _PROPERTY_KINDS.items() if word in text]
                return Goal(kinds[0] if kinds else "place", objects["o"], target)
    raise CorruptGameError(f"its goal is none of the six task types: {text[:300]}")


def parse_task(grammar: str) -> str:
    """Return what follows "Your task is to: " in a game's grammar.

    Raises:
        CorruptGameError: the grammar states no task.
    """
    found = _TASK.search(grammar)
    if found is None:
        raise CorruptGameError('its grammar states no task ("Your task is to: …")')
    try:
        return str(json.loads(f'"{found.group(1)}"', strict=False))
    except ValueError as error:
        raise CorruptGameError(f"its grammar's task cannot be read: {error}") from error


def short_type(name: str) -> str:
    """Return a PDDL type's name without its ending: `mugtype` -> `mug`."""
    return sys.intern(name.removesuffix("type"))
