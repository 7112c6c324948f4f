"""How the search engine reads text: words, without the commonest, reduced to their stems.

It follows Lucene's English analysis: segments of Unicode's word-break rules (UAX #29), possessives
cut, lower case, Lucene's stop words, Porter's stems.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from anchorgym.envs.webshop.packages import porter_stemmer

STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        a an and are as at be but by for if in into is it no not of on or such that the their then
        there these they this to was will with
        """,
    )
)
LONGEST_WORD: Final = 255

_IDEOGRAPH = "\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = rf"[^\W\d_{_IDEOGRAPH}]"
_PART = rf"(?:[^\W{_IDEOGRAPH}]|[\u0300-\u036f])+"
_BETWEEN_LETTERS = rf"(?<={_LETTER})[:.'\u2019\u00b7\u2027](?={_LETTER})"
_BETWEEN_DIGITS = r"(?<=\d)[.,;'\u2019](?=\d)"
_WORD: Final = re.compile(
    rf"[{_IDEOGRAPH}]|{_PART}(?:(?:{_BETWEEN_LETTERS}|{_BETWEEN_DIGITS}){_PART})*"
)
_POSSESSIVE: Final = ("'s", "\u2019s", "\uff07s")


def analyse(text: str) -> list[str]:
    """Return the terms of a text, in their order."""
    terms = []
    for word in _WORD.findall(text.lower()):
        term = _term(word)
        if term:
            terms.append(term)
    return terms


@lru_cache(maxsize=1 << 18)
def _term(word: str) -> str:
    """Return the stem of a word; empty for one that is not indexed."""
    if word.endswith(_POSSESSIVE):
        word = word[:-2]
    if word in STOP_WORDS or not word.strip("_"):
        return ""
    stem: str = porter_stemmer().stemWord(word[:LONGEST_WORD])
    return stem
