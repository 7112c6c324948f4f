"""Objects of a user's own modules, named as `module:Name`.

Everything that can be extended is given this way: an algorithm, an engine, a driver, a learner, a
rollout strategy, a loader of policies. The module is any that Python can import, such as a file in
the current directory; the name is a class, a function or any other object that it defines.
"""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any

from anchorgym.envs.errors import AnchorgymError, did_you_mean

_LISTED = 8
"""Names of a module that an error lists at most."""


class PluginError(AnchorgymError, ImportError):
    """A `module:Name` that leads to nothing usable.

    Where the module itself raised an error while it was imported, that error is the cause.
    """


def is_reference(name: str) -> bool:
    """Whether a name is of the form `module:Name`, and not that of a file or folder."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and _dotted(module.removesuffix(".py")) and _dotted(attribute)


def load_object(reference: str, kind: str, base: type | None = None) -> Any:
    """Return the object that `module:Name` names.

    Args:
        reference: `module:Name`; both may hold dots, as in `my.package:Outer.Inner`.
        kind: what it is to be, such as "an algorithm", for the error message.
        base: a class that it must be a subclass of; by default any object will do.

    Raises:
        PluginError: it is written otherwise, cannot be imported, is not defined there, or is no
            subclass of `base`.
    """
    name, colon, path = reference.partition(":")
    if not (colon and name and path):
        raise PluginError(f"{kind} of your own is named as module:Name, not {reference!r}")
    found: Any = load_module(name, f"{kind} {reference!r}", "module:Name")
    for part in path.split("."):
        if not hasattr(found, part):
            raise PluginError(_not_defined(reference, kind, part, found))
        found = getattr(found, part)
    if base is not None and not (isinstance(found, type) and issubclass(found, base)):
        what = f"the class {found.__qualname__}" if isinstance(found, type) else repr(found)[:80]
        raise PluginError(
            f"{reference!r} is {what}, but {kind} must be a subclass of "
            f"{base.__module__}.{base.__qualname__}"
        )
    return found


def load_module(name: str, wanted_by: str, form: str) -> ModuleType:
    """Import a module of the user's own.

    Args:
        name: of the module.
        wanted_by: what it is imported for, for the error message.
        form: how such a name is written, such as "module:Name".

    Raises:
        PluginError: there is none of this name, or it raised an error while it was imported.
    """
    opening = f"cannot import {name!r} for {wanted_by}:"
    if name.endswith(".py") or re.search(r"[/\\]", name):
        stem = re.split(r"[/\\]", name)[-1].removesuffix(".py")
        hint = f"name the module, not its file, as in '{stem}:{form.partition(':')[2]}'"
        raise PluginError(f"{opening} {hint}")
    if not _dotted(name):
        raise PluginError(f"{opening} {name!r} is no name of a module. The form is {form}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise PluginError(f"{opening} it needs {error.name!r}, which is missing") from error
        raise PluginError(
            f"{opening} there is no module {error.name!r} in the current directory or among the "
            f"installed packages. The form is {form}"
        ) from error
    except Exception as error:
        raise PluginError(f"{opening} it raised {type(error).__name__}: {error}") from error


def _not_defined(reference: str, kind: str, part: str, owner: Any) -> str:
    public = [name for name in vars(owner) if not name.startswith("_")] if _has_names(owner) else []
    own = [name for name in public if getattr(owner, name, None) is not None]
    where = owner.__name__ if _has_names(owner) else type(owner).__name__
    defined = [n for n in own if getattr(getattr(owner, n), "__module__", None) == where]
    listed = ", ".join(defined[:_LISTED]) or "nothing of its own"
    more = ", …" if len(defined) > _LISTED else ""
    return (
        f"{where!r} was imported for {kind} {reference!r}, but defines no {part!r}."
        f"{did_you_mean(part, own)} It defines: {listed}{more}"
    )


def _has_names(owner: Any) -> bool:
    return isinstance(owner, ModuleType | type)


def _dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
