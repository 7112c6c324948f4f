"""Former names of renamed settings.

Run folders with former names are still read; flags, TOML files and keyword arguments that use one
are refused with a message that gives the present name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

RENAMED: Final[Mapping[str, str]] = {
    "evaluation.curve_split": "evaluation.validation_split",
    "evaluation.curve_tasks": "evaluation.validation_tasks",
    "ppo.largest_gradient": "ppo.max_grad_norm",
    "ppo.trace": "ppo.gae_lambda",
}
"""Present name by former name; both have the same section."""


def with_present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run folder with former names replaced by present ones."""
    current = {key: _copied(value) for key, value in values.items()}
    for former, present in RENAMED.items():
        section, _, name = former.partition(".")
        inner = current.get(section)
        if isinstance(inner, dict) and name in inner:
            inner[present.partition(".")[2]] = inner.pop(name)
    return current


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
