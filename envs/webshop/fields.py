"""Fields of the official files: each is read as what it should be, or named as what it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from anchorgym.envs.errors import DataError

_SHOWN: Final = 60


class FieldError(DataError):
    """A field that is missing, or is not of its kind."""


@contextmanager
def entry_of(path: Path, product: str) -> Iterator[None]:
    """Name the file and the product in the errors of fields that are read inside.

    Raises:
        FieldError: one inside did.
    """
    try:
        yield
    except FieldError as error:
        raise FieldError(
            f"{str(path)!r}, product {product}: {error}. Correct or remove the entry, or download "
            "the file again."
        ) from error


def text_of(value: Any, name: str) -> str:
    """Return a text; a number is taken for its digits.

    What JSON can hold and no action can becomes a question mark: NUL, and halves of surrogate
    pairs.

    Args:
        value: of the field.
        name: of the field, for the error.

    Raises:
        FieldError: it is neither a text nor a number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise FieldError(f"{name} should be a text, not {quoted(value)}")
    return value.encode(errors="replace").decode().replace("\0", "?")


def texts_of(value: Any, name: str) -> tuple[str, ...]:
    """Return a list of texts; errors as in `text_of`."""
    return tuple(text_of(item, f"an item of {name}") for item in list_of(value, name))


def list_of(value: Any, name: str) -> Sequence[Any]:
    """Return a list.

    Raises:
        FieldError: it is none.
    """
    if not isinstance(value, list | tuple):
        raise FieldError(f"{name} should be a list, not {quoted(value)}")
    return value


def mapping_of(value: Any, name: str) -> Mapping[str, Any]:
    """Return an object of JSON.

    Raises:
        FieldError: it is none.
    """
    if not isinstance(value, Mapping):
        raise FieldError(f"{name} should be an object, not {quoted(value)}")
    return value


def needed(raw: Mapping[str, Any], name: str) -> Any:
    """Return a field's value.

    Raises:
        FieldError: there is no such field.
    """
    if name not in raw:
        raise FieldError(f"it lacks {name!r}")
    return raw[name]


def needed_text(raw: Mapping[str, Any], name: str) -> str:
    """Return a field's text; errors as in `needed` and `text_of`."""
    return text_of(needed(raw, name), repr(name))


def quoted(value: Any) -> str:
    """Return the beginning of a value for an error, without characters that could do harm."""
    return ascii(value)[:_SHOWN]
