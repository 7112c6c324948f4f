"""Options as annotated dataclass fields, checked against their annotations.

`gamma: Annotated[float, Within(0, 1)] = 0.95` is a number, and says which. Understood are bool,
int, float, str, None, `Literal`, unions of these, and `Annotated` with `Within`.
"""

from __future__ import annotations

import difflib
import functools
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from anchorgym.gigpo.errors import OptionError, UnknownOptionError

Aggregate = Literal["token_mean", "sequence_mean"]
"""How the loss averages: over all tokens, or over the token means of sequences."""
KLEstimator = Literal["k1", "k2", "k3"]
"""Schulman's estimators of the KL divergence, see `anchorgym.gigpo.losses.kl_estimate`."""


@dataclass(frozen=True)
class Within:
    """A range of numbers, closed at `high` and, unless `above` is set, at `low`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        over = value > self.low if self.above else value >= self.low
        return over and value <= self.high and math.isfinite(value)

    def __str__(self) -> str:
        left = "(" if self.above or math.isinf(self.low) else "["
        return f"{left}{self.low:g}, {self.high:g}{')' if math.isinf(self.high) else ']'}"


Share = Annotated[float, Within(0, 1)]
NonNegative = Annotated[float, Within(0)]


def check_options(instance: Any) -> None:
    """Raise `OptionError` for the first field whose value its annotation does not allow."""
    hints = _hints(instance.__class__)
    for field in fields(instance):
        value = getattr(instance, field.name)
        if not _accepts(hints[field.name], value):
            raise OptionError(
                f"{type(instance).__name__}: {field.name}={value!r} is not "
                f"{_describe(hints[field.name])}",
                field.name,
            )


def reject_unknown(owner: str, valid: Iterable[str], given: Mapping[str, object]) -> None:
    """Raise `UnknownOptionError` for the first name in `given` that is not `valid`."""
    known = sorted(valid)
    for name in given:
        if name not in known:
            raise UnknownOptionError(
                f"{owner} has no option {name!r}.{did_you_mean(name, known)} "
                f"Its options: {', '.join(known)}",
                name,
            )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean ...?' for the closest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _accepts(hint: Any, value: object) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_accepts(part, value) for part in args)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in args)
    if origin is Annotated:
        return _accepts(args[0], value) and value in args[1]
    if hint is float:
        return isinstance(value, (float, int)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _describe(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_describe, args))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, args))
    if origin is Annotated:
        return f"{_describe(args[0])} in {args[1]}"
    names = {float: "a number", int: "an integer", bool: "True or False", str: "a string"}
    return names.get(hint, "None" if hint is types.NoneType else str(hint))
