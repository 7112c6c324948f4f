"""Settings from TOML files and dotted flags."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from anchorgym.training.config.sections import ConfigError

_SHORT = {"env": "id", "policy": "name", "algorithm": "name"}
"""Sections that may be named alone: `--env ID` stands for `--env.id ID`."""


def parse_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Read `@file.toml`, `--section.key value` and `--section.key=value`, later ones winning.

    Dashes in keys stand for underscores. Values are read as JSON where they are JSON (numbers,
    true, null, lists), else as text.

    Raises:
        ConfigError: a flag without value, a stray word, or a file that cannot be read.
    """
    settings: dict[str, Any] = {}
    rest = iter(arguments)
    for word in rest:
        if word.startswith("@"):
            _merge(settings, _read_toml(Path(word[1:])))
        elif word.startswith("--"):
            flag, equals, value = word[2:].partition("=")
            if not equals:
                value = _next(rest, word)
            _set(settings, flag, _value(value))
        else:
            raise ConfigError(f"unexpected {word!r}: settings are written --section.key value")
    return settings


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (flag, default, meaning) for every setting of a configuration."""
    for name, field in model.model_fields.items():
        default = "" if field.is_required() else field.get_default(call_default_factory=True)
        flag = f"{prefix}{name}".replace("_", "-")
        if isinstance(default, BaseModel):
            yield f"--{flag}", "", (type(default).__doc__ or "").split("\n")[0]
            yield from describe(type(default), f"{prefix}{name}.")
        else:
            yield f"--{flag}", json.dumps(default), " ".join((field.description or "").split())


def _next(rest: Iterator[str], flag: str) -> str:
    value = next(rest, "--")
    if value.startswith("--"):
        raise ConfigError(f"{flag} needs a value")
    return value


def _set(settings: dict[str, Any], flag: str, value: Any) -> None:
    path = flag.replace("-", "_").split(".")
    if len(path) == 1 and path[0] in _SHORT:
        path.append(_SHORT[path[0]])
    for section in path[:-1]:
        inner = settings.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--{flag}: {section!r} is a single value, not a section")
        settings = inner
    settings[path[-1]] = value


def _merge(settings: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        key = name.replace("-", "_")
        if key in _SHORT and isinstance(value, str):
            value = {_SHORT[key]: value}
        if isinstance(value, Mapping) and isinstance(settings.get(key), dict):
            _merge(settings[key], value)
        else:
            settings[key] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
