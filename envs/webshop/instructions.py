"""How a customer understands an instruction: what to search for, what to pay at most."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from anchorgym.envs.webshop.analysis import analyse
from anchorgym.envs.webshop.colours import plain_colour
from anchorgym.envs.webshop.pages import clickable

_LIMIT: Final = re.compile(r",?(?: and)? price lower than (\d+(?:\.\d+)?) dollars")
_OPTION: Final = re.compile(r"(?:,?\s*\b(?:with|and))?\s*\b\w+(?: \w+)?: [^,]+,?")
_FILLERS: Final = """
    find me am i'm im looking look for need want wanted show please should they would like some
    i my you your can could get buy also have has having that's which in size color price lower
    dollars hello hi help interested something one ones purchase it's its more than less under
    prefer preferably really so do make sure made comes come from them style good great nice new
    who we our us any ok be able searching shopping shop around
"""
"""Words that say nothing about a product."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """The meaning of an instruction to a customer who knows nothing else of the goal."""

    text: str
    """The instruction in lower case, without the price."""
    limit: float
    """What may be paid at most, in dollars; infinite where nothing is said."""
    words: tuple[str, ...]
    """What is worth searching for, in the order of the instruction."""
    terms: frozenset[str]
    """Stems of the words that are worth searching for."""


@lru_cache(maxsize=1024)
def understand(instruction: str) -> Understanding:
    """Read an instruction."""
    text = " ".join(instruction.lower().split())
    found = _LIMIT.search(text)
    limit = float(found[1]) if found else math.inf
    text = _LIMIT.sub("", text)
    plain = _OPTION.sub(lambda option: f" {option[0].partition(':')[2]}", text)
    words = [word.strip('.,;!?()"') for word in plain.split()]
    kept = [word for word in words if _is_telling(word)]
    terms = frozenset(term for word in kept for term in analyse(word))
    return Understanding(text, limit, tuple(dict.fromkeys(kept)), terms)


@lru_cache(maxsize=1)
def _filler_terms() -> frozenset[str]:
    return frozenset(analyse(_FILLERS))


def _is_telling(word: str) -> bool:
    terms = analyse(word)
    return bool(terms) and not all(term in _filler_terms() for term in terms)


def asked_value(
    understood: Understanding, name: str, values: Sequence[str], names: Collection[str] = ()
) -> str | None:
    """Return which value of an option the instruction asks for; None if it asks for none.

    Best is what stands beside the option's name, then a value that is there word by word, then a
    colour whose plain name is; the longest of equals.

    Args:
        understood: the instruction.
        name: of the option.
        values: that it offers.
        names: of all options of the product. What stands beside a longer name that ends with this
            one, such as "strap color" for "color", is that option's.
    """
    text = understood.text
    named = [value for value in values if _is_beside(text, name, clickable(value), names)]
    if named:
        return max(named, key=len)
    if names_option(understood, name, names):
        return None
    told = [value for value in values if _says(text, clickable(value))]
    if told:
        return max(told, key=len)
    plain = [value for value in values if _says(text, plain_colour(value))]
    return plain[0] if plain else None


def names_option(understood: Understanding, name: str, names: Collection[str] = ()) -> bool:
    """Whether the instruction names an option; arguments as of `asked_value`."""
    return _is_beside(understood.text, name, "", names)


def _is_beside(text: str, name: str, value: str, names: Collection[str]) -> bool:
    """Whether a text has a value beside the name of its option, at a place that is this option's.

    It is not where the name ends a longer one, or is said in the value of another option.
    """
    name, others = clickable(name), [clickable(other) for other in names]
    longer = tuple(other for other in others if other != name and other.endswith(name))
    said_in = tuple(f"{other}: " for other in others)
    wanted, place = f"{name}: {value}", -1
    while (place := text.find(wanted, place + 1)) >= 0:
        if not text[: place + len(name)].endswith(longer) and not text[:place].endswith(said_in):
            return True
    return False


def _says(text: str, value: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None
