"""The base class of settings, which are validated, immutable, and have clear error messages."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.texts import parse_json
from anchorgym.training.config.explaining import explain
from anchorgym.training.config.fields import SHORT, names_in
from anchorgym.training.config.limits import MOST_NUMBER
from anchorgym.training.config.renamed import with_present_names

_GIVEN = "given"
"""Key of the settings that were set, beside all settings."""


FOR_FILES: Final = {"secrets": False}
"""Context in which settings are dumped for a file or a screen: sections leave secrets out."""


class ConfigError(AnchorgymError, ValueError):
    """A setting that does not exist or cannot have that value; the message names it."""


class Section(BaseModel):
    """Base class of settings: unknown names are refused, and values are immutable.

    Raises:
        ConfigError: settings are wrong; the message explains each.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(explain(type(self), error)) from error

    # Settings within settings are validated without `__init__`, so that errors have whole paths.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="before")
    @classmethod
    def _sections_by_name(cls, values: Any) -> Any:
        """Take the id or name of a section in place of the section; see `SHORT`."""
        if not isinstance(values, dict):
            return values
        return {name: cls._by_name(name, value) for name, value in values.items()}

    @classmethod
    def _by_name(cls, name: str, value: Any) -> Any:
        key, field = SHORT.get(name), cls.model_fields.get(name)
        if key is None or field is None or not isinstance(value, str | Path):
            return value
        return {key: str(value)} if key in names_in(field.annotation) else value

    @field_validator("*")
    @classmethod
    def _fits_an_array(cls, value: Any) -> Any:
        for number in value if isinstance(value, tuple | list) else (value,):
            if isinstance(number, int) and abs(number) > MOST_NUMBER:
                raise ValueError(f"must be at most {MOST_NUMBER}")
        return value

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Validate plain values.

        Raises:
            ConfigError: settings are wrong; the message explains each.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(explain(cls, error)) from error

    def as_given(self, given: Section) -> Self:
        """Return the same settings, of which those of `given` alone count as set.

        What a setting stands for may depend on whether it was set: a saved policy keeps its own
        prompt settings where none were given.
        """
        marked = self.model_copy(
            update={
                name: _marked(value, getattr(given, name))
                for name, value in self
                if name in type(given).model_fields
            }
        )
        marked.__pydantic_fields_set__ = set(given.model_fields_set)
        return marked

    def to_text(self) -> str:
        """Return all settings but secrets as JSON text, and those that were set as `given`."""
        values, given = (
            self.model_dump(mode="json", exclude_unset=unset, context=FOR_FILES)
            for unset in (False, True)
        )
        return json.dumps({**values, _GIVEN: given}, indent=2) + "\n"

    @classmethod
    def parse_json(cls, text: str) -> Self:
        """Validate the output of `to_text`, of this or an earlier version.

        Raises:
            ConfigError: settings are wrong; the message explains each.
        """
        try:
            values = parse_json(text)
        except ValueError as error:
            raise ConfigError(f"settings that are not JSON: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"settings are a JSON object, not {type(values).__name__}")
        given = values.pop(_GIVEN, None)
        found = cls.parse(with_present_names(values))
        if not isinstance(given, dict):
            return found
        return found.as_given(cls.parse(with_present_names(given)))


def changed_fields(before: Section, after: Section, but: Collection[str] = ()) -> list[str]:
    """Return the settings that differ, each as `section.key was 1, is 2`.

    Args:
        before: earlier settings.
        after: later settings.
        but: names of settings that are left out.
    """
    old, new = _flat(before.model_dump(mode="json")), _flat(after.model_dump(mode="json"))
    return [
        f"{name} was {json.dumps(old.get(name))}, is {json.dumps(new.get(name))}"
        for name in sorted(old.keys() | new.keys())
        if name not in but and old.get(name) != new.get(name)
    ]


def _marked(value: Any, given: Any) -> Any:
    """Return settings within settings of which those of `given` alone count as set."""
    if isinstance(value, Section) and isinstance(given, Section):
        return value.as_given(given)
    if isinstance(value, dict) and isinstance(given, dict):
        return {key: _marked(of, given.get(key)) for key, of in value.items()}
    return value


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat
