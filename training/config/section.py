"""The base class of settings, which are validated, immutable, and have clear error messages."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.texts import parse_json
from anchorgym.training.config.explaining import explain
from anchorgym.training.config.limits import MOST_NUMBER
from anchorgym.training.config.renamed import with_present_names


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

    @classmethod
    def parse_json(cls, text: str) -> Self:
        """Validate the output of `model_dump_json`, of this or an earlier version.

        Raises:
            ConfigError: settings are wrong; the message explains each.
        """
        try:
            values = parse_json(text)
        except ValueError as error:
            raise ConfigError(f"settings that are not JSON: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"settings are a JSON object, not {type(values).__name__}")
        return cls.parse(with_present_names(values))


def changed_fields(before: Section, after: Section) -> list[str]:
    """Return the settings that differ, each as `section.key was 1, is 2`."""
    old, new = _flat(before.model_dump(mode="json")), _flat(after.model_dump(mode="json"))
    return [
        f"{name} was {json.dumps(old.get(name))}, is {json.dumps(new.get(name))}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat
