"""Text of a world, made safe for where it goes: tokenizers, terminals, JSON, HTML and files.

A world may give any string, and a lone surrogate, which no encoding can write, would end a whole
training run; a control character would command the terminal of whoever reads on. Three functions
meet them, each for one kind of place:

    well_formed   what is read, tokenized, hashed or written to a UTF-8 file or a page
    printable     what a person sees at a terminal; `one_line` also has no line breaks
    json_line     JSON at rest, in which nothing is lost: lone surrogates are escaped
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

from anchorgym.envs.errors import ContractError

REPLACEMENT: Final = "\ufffd"
"""Takes the place of each character that cannot stay."""
BIDI_CONTROLS: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that change the direction of the text after them, and so hide what it says."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{BIDI_CONTROLS}]")
_BREAKS = re.compile(r"[\t\n\u2028\u2029]+")


def is_well_formed(text: str) -> bool:
    """Whether a text can be written as UTF-8: it holds no lone surrogate."""
    return text.isascii() or _SURROGATE.search(text) is None


def well_formed(text: str) -> str:
    """Return a text with U+FFFD in place of each lone surrogate; all other texts as they are."""
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def printable(text: str) -> str:
    """Return a text with U+FFFD in place of what a terminal would obey.

    These are control characters (ESC and the C1 ones among them; tab and line feed stay), bidi
    controls and lone surrogates. A carriage return before a line feed is left out.
    """
    return _CONTROL.sub(REPLACEMENT, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return a printable text in one line: line breaks and tabs become spaces."""
    return _BREAKS.sub(" ", printable(text))


def json_line(value: Any) -> bytes:
    """Return JSON as UTF-8, without a line feed; a lone surrogate becomes its JSON escape.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"the number {number[:20]} is not finite")
    return value


def parse_json(text: str | bytes, number: Callable[[str], float | None] = _finite) -> Any:
    """Return the value of a JSON text that may hold anything.

    Args:
        text: the text.
        number: reads each number that is no integer; by default it refuses what is not finite.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or a number is refused.
    """
    try:
        return json.loads(text, parse_float=number, parse_constant=number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def id_bytes(text: str) -> bytes:
    """Return the bytes of an id, for hashes: UTF-8, in which any two ids differ."""
    return text.encode("utf-8", "surrogatepass")


def require_text(value: Any, what: str, source: object) -> str:
    """Return text of a world as it can be written and tokenized.

    Args:
        value: what the world gave.
        what: name of the value, for the message.
        source: the world.

    Raises:
        ContractError: it is no string.
    """
    if not isinstance(value, str):
        raise ContractError(
            f"{type(source).__name__} gave {brief(value)} as {what}, which must be a string: "
            "verify it with `anchorgym check`"
        )
    return well_formed(value)


def brief(value: Any) -> str:
    """Return a value and its type for an error message, in printable characters."""
    return f"{ascii(value)[:60]} ({type(value).__name__})"
