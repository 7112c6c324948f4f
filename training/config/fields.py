"""The settings of a configuration, collected from the annotations of its model.

Settings within a mapping, such as those of each role under `roles.NAME`, are included, because
annotations are followed and not defaults.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

SHORT: Final = {
    "env": "id",
    "policy": "name",
    "algorithm": "name",
    "engine": "name",
    "driver": "name",
}
"""Sections that may be set by one value: `--env ID` stands for `--env.id ID`."""
ANY_NAME: Final = "NAME"
"""Placeholder in names of settings for a key that the user chooses."""

_KINDS: Final = {int: "INTEGER", float: "NUMBER", str: "TEXT", bool: "true | false"}
_BOUNDS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclass(frozen=True, slots=True)
class Heading:
    """A section of a configuration."""

    path: str
    """Name of the section, such as `rollout`; empty for settings outside of sections."""
    meaning: str
    """Description of the section."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a configuration."""

    path: str
    """Dotted name of the setting, such as `rollout.group_size`."""
    kind: str
    """Allowed values, such as `INTEGER >= 2` or `transcript | window`."""
    default: str
    """Default value as JSON; empty if the setting is required."""
    meaning: str

    @property
    def flag(self) -> str:
        """The setting's flag on the command line."""
        return "--" + self.path.replace("_", "-")


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[Heading | Setting]:
    """Yield the settings of a configuration, each section after its heading.

    Args:
        model: model of the configuration.
        prefix: prefix of all names, such as `roles.NAME.`.
    """
    inner: list[tuple[str, type[BaseModel], FieldInfo]] = []
    own: list[Setting] = []
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if section is not None:
            key = f".{ANY_NAME}" if _is_mapping(field.annotation) else ""
            inner.append((f"{prefix}{name}{key}", section, field))
        else:
            own.append(_setting(f"{prefix}{name}", field))
    if own or prefix:
        about = "" if prefix else "General settings of the command."
        yield Heading(prefix.rstrip("."), about or _paragraph(model))
        yield from own
    for path, section, _ in inner:
        yield from describe(section, f"{path}.")


def annotation_at(model: Any, path: Sequence[str]) -> Any:
    """Return the annotation of a setting; None if it does not exist, or has no fixed type."""
    for part in path:
        model = _inner(model, part)
    return model


def names_in(annotation: Any) -> list[str]:
    """Return the names of a section's settings; none for any other annotation."""
    section = None if _is_mapping(annotation) else section_of(annotation)
    return list(section.model_fields) if section is not None else []


def all_paths(model: type[BaseModel]) -> list[str]:
    """Return the path of every setting of a configuration."""
    return [item.path for item in describe(model) if isinstance(item, Setting)]


def takes_text_alone(annotation: Any) -> bool:
    """Whether a setting takes only text, so that a number is read as text too."""
    kinds = _alternatives(annotation)
    return str in kinds and not {int, float, bool} & set(kinds)


def takes_nothing(annotation: Any) -> bool:
    """Whether a setting may be null."""
    return type(None) in _alternatives(annotation)


def choices_of(annotation: Any) -> list[str]:
    """Return the allowed words of a setting; empty if it takes other values."""
    return [str(value) for one in _alternatives(annotation) for value in _literals(one)]


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section type of a setting, or of the values of a mapping."""
    for one in _alternatives(annotation):
        kind = get_args(one)[1] if _is_mapping(one) else one
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _setting(path: str, field: FieldInfo) -> Setting:
    default = ""
    if not field.is_required():
        default = json.dumps(field.get_default(call_default_factory=True))
    meaning = " ".join((field.description or "").split())
    return Setting(path, _kind(field), default, meaning)


def _kind(field: FieldInfo) -> str:
    kinds = [_name(one) for one in _alternatives(field.annotation) if one is not type(None)]
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in _BOUNDS.items()
        if getattr(limit, name, None) is not None
    ]
    null = ["| null"] if takes_nothing(field.annotation) else []
    return " ".join([" | ".join(kinds), *bounds, *null])


def _name(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(_literals(annotation))
    if get_origin(annotation) is tuple:
        first = get_args(annotation)[0]
        return f"[{_name(first).replace(' | ', '|')}, ...]"
    return _KINDS.get(annotation, "VALUE")


def _literals(annotation: Any) -> list[str]:
    """Return the words that an annotation allows, also as entries of a list."""
    if get_origin(annotation) is tuple:
        return _literals(get_args(annotation)[0])
    if get_origin(annotation) is not Literal:
        return []
    return [str(value) for value in get_args(annotation)]


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return [kind for one in get_args(annotation) for kind in _alternatives(one)]
    if get_origin(annotation) is typing.Annotated:
        return _alternatives(get_args(annotation)[0])
    return [annotation]


def _inner(annotation: Any, part: str) -> Any:
    for one in _alternatives(annotation):
        if _is_mapping(one):
            return get_args(one)[1]
        if isinstance(one, type) and issubclass(one, BaseModel):
            field = one.model_fields.get(part)
            return None if field is None else field.annotation
    return None


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict and len(get_args(annotation)) == 2


def _paragraph(model: type[BaseModel]) -> str:
    doc = (model.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(doc.split())
