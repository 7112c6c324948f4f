"""Former names of renamed settings.

Run folders with former names are still read; flags, TOML files and keyword arguments that use one
are refused with a message that gives the present name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

RENAMED: Final[Mapping[str, str]] = {
    "evaluation.curve_split": "evaluation.validation_split",
    "evaluation.curve_tasks": "evaluation.validation_tasks",
    "learner.device": "device",
    "learner.dtype": "dtype",
    "ppo.largest_gradient": "ppo.max_grad_norm",
    "ppo.trace": "ppo.gae_lambda",
    "roles.*.learner.device": "device",
    "roles.*.learner.dtype": "dtype",
}
"""Present name by former name, where `*` stands for any one name."""


def present_name(path: str) -> str | None:
    """Return the present name of a setting that is known by a former one, else None."""
    return next((new for old, new in RENAMED.items() if fnmatchcase(path, old)), None)


def with_present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run folder with former names replaced by present ones."""
    current = _copied(values)
    for path in list(_paths(current)):
        present = present_name(".".join(path))
        if present is not None:
            value = _section(current, path[:-1]).pop(path[-1])
            *sections, name = present.split(".")
            _section(current, sections).setdefault(name, value)
    return current


def _paths(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        yield (*above, name)
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, name))


def _section(values: dict[str, Any], path: tuple[str, ...] | list[str]) -> dict[str, Any]:
    for name in path:
        values = values.setdefault(name, {})
    return values


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _copied(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
    }
