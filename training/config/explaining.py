"""Error messages of wrong settings: one line for each, with a suggestion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from anchorgym.envs.errors import did_you_mean
from anchorgym.training.config.fields import all_paths, annotation_at, choices_of, names_in
from anchorgym.training.config.renamed import present_name

_TRUE_OR_FALSE = "must be true or false"
_SAID = {
    "bool_parsing": _TRUE_OR_FALSE,
    "bool_type": _TRUE_OR_FALSE,
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "missing": "has to be given",
    "model_type": "is a section: set one of its settings",
    "string_type": "must be text",
    "tuple_type": "must be a list, such as '[1, 2]'",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def explain(model: type[BaseModel], error: ValidationError) -> str:
    """Return the message of a validation error, with one line for each wrong setting."""
    items: list[dict[str, Any]] = [dict(item) for item in error.errors()]
    whole = {item["loc"][:n] for item in items for n in range(len(item["loc"]))}
    # An error within a value makes the whole value wrong, which needs no second message.
    lines = [_line(model, item) for item in items if item["loc"] not in whole]
    if len(lines) == 1:
        return lines[0]
    return "\n  ".join([f"{len(lines)} settings are wrong:", *lines])


def _line(model: type[BaseModel], item: dict[str, Any]) -> str:
    parts = [str(part) for part in item["loc"]]
    path = ".".join(parts)
    if item["type"] == "extra_forbidden":
        return _unknown(model, parts, item["input"])
    told = item["type"] == "value_error" and isinstance(item["input"], dict)  # of a whole section
    given = "" if told or item["type"] == "missing" else f" (got {_short(item['input'])})"
    hint = ""
    if item["type"] == "literal_error":
        choices = choices_of(annotation_at(model, [p for p in parts if not p.isdigit()]))
        hint = did_you_mean(item["input"], choices)
    message = f"{_message(item)}{given}.{hint}"
    return f"{path}: {message}" if path else message


def _message(item: dict[str, Any]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind in _SAID:
        return _SAID[kind]
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"must be {words} {context[name]:g}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    message = str(item["msg"])
    return message[:1].lower() + message[1:]


def _unknown(model: type[BaseModel], parts: Sequence[str], given: Any) -> str:
    path, head = ".".join(parts), parts[:-1]
    if present := present_name(path):
        return f"{path}: this setting is now named {present!r}."
    if isinstance(given, dict) and given:
        key = next(iter(given))
        said = f"there is no section {parts[-1]!r} (got {parts[-1]}.{key})"
    else:
        said = f"there is no such setting (got {_short(given)})"
    prefix = "".join(f"{part}." for part in head)
    siblings = [prefix + name for name in names_in(annotation_at(model, head))]
    hint = did_you_mean(path, siblings)
    namesakes = [one for one in all_paths(model) if one.rpartition(".")[2] == parts[-1]]
    if namesakes and not isinstance(given, dict):
        hint = f" Did you mean {' or '.join(map(repr, namesakes[:3]))}?"
    return f"{path}: {said}.{hint}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}...{text[-12:]}"
