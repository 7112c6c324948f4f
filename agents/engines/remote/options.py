"""Checks of engines' options."""

from __future__ import annotations

from anchorgym.agents.engines.factories import EngineOptionError


def require_number(option: str, value: object, least: float, *, whole: bool = False) -> None:
    """Check that an option is a number.

    Raises:
        EngineOptionError: it is none, is below `least`, or is to be whole and is not.
    """
    kinds = (int,) if whole else (int, float)
    if type(value) not in kinds or not least <= float(str(value)) < float("inf"):
        what = "a whole number" if whole else "a number"
        raise EngineOptionError(option, f"{option} must be {what} of at least {least:g}: {value!r}")


def require_switches(**options: object) -> None:
    """Check that options are true or false.

    Raises:
        EngineOptionError: one is neither.
    """
    for option, value in options.items():
        if type(value) is not bool:
            raise EngineOptionError(option, f"{option} must be true or false, got {value!r}")


def require_text(**options: object) -> None:
    """Check that options are texts.

    Raises:
        EngineOptionError: one is none.
    """
    for option, value in options.items():
        if not isinstance(value, str):
            raise EngineOptionError(option, f"{option} must be a text, got {value!r}")
