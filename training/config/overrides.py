"""Parsing of settings from TOML files and dotted flags.

The parser is the project's own, because libraries fell short: tyro does not report which settings
were given, reports one wrong value at a time and supports no additional keys in a section;
pydantic-settings ignores misspelt flags, joins lists that are given twice and reads a mapping of
roles as one JSON text.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from anchorgym.envs.errors import reason_of
from anchorgym.training.config.fields import (
    SHORT,
    annotation_at,
    names_in,
    takes_nothing,
    takes_text_alone,
)
from anchorgym.training.config.section import ConfigError

_DEEPEST = 20
"""Levels of tables and lists that a settings file may have."""


def parse_settings(words: Sequence[str], model: type[BaseModel]) -> dict[str, Any]:
    """Read `@file.toml`, `--section.key value` and `--section.key=value`, later ones winning.

    Dashes in keys stand for underscores. The value of a text setting is taken literally; other
    values are parsed as JSON if possible (numbers, true, null, lists).

    Args:
        words: words of the command line.
        model: model of the settings; whether settings exist is not checked here.

    Raises:
        ConfigError: a flag has no value, a word is unexpected, or a file cannot be read.
    """
    settings: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word.startswith("@"):
            _merge(settings, _read_toml(Path(word[1:])))
        elif word.startswith("--"):
            flag, equals, value = word[2:].partition("=")
            if not equals:
                value = _next(rest, word)
            path = _path(flag, model)
            _set(settings, flag, path, _value(value, annotation_at(model, path)))
        else:
            raise ConfigError(f"unexpected {word!r}: settings are written --section.key value")
    return settings


def _next(rest: Iterator[str], flag: str) -> str:
    value = next(rest, "--")
    if value.startswith("--"):
        raise ConfigError(f"{flag} needs a value")
    return value


def _path(flag: str, model: type[BaseModel]) -> list[str]:
    path = flag.replace("-", "_").split(".")
    short = SHORT.get(path[-1])
    if short is not None and short in names_in(annotation_at(model, path)):
        path.append(short)
    return path


def _set(settings: dict[str, Any], flag: str, path: Sequence[str], value: Any) -> None:
    for section in path[:-1]:
        inner = settings.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--{flag}: {section!r} is a single value, not a section")
        settings = inner
    settings[path[-1]] = value


def _merge(settings: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        key = name.replace("-", "_")
        if key in SHORT and isinstance(value, str):
            value = {SHORT[key]: value}
        if isinstance(value, Mapping) and isinstance(settings.get(key), dict):
            _merge(settings[key], value)
        elif isinstance(value, Mapping):
            settings[key] = {}
            _merge(settings[key], value)
        else:
            settings[key] = value


def _value(text: str, annotation: Any) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # also of numbers with thousands of digits
        return text
    if not takes_text_alone(annotation) or isinstance(value, str):
        return value
    return None if value is None and takes_nothing(annotation) else text


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors write a mark
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {reason_of(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {reason_of(error)}") from error
    if _is_deeper(values, _DEEPEST):
        raise ConfigError(f"{path} is nested more than {_DEEPEST} levels deep: no setting is")
    return values


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(one, levels - 1) for one in inner)
