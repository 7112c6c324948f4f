"""Objects of a user's own modules, named as `module:Name`.

Everything that can be extended is given this way: an algorithm, an engine, a driver, a learner, a
rollout strategy, a loader of policies. The module is any that Python can import, such as a file in
the current directory; the name is a class, a function or any other object that it defines.

To import a module is to run it, so within `only_named`, as the command line runs its commands, the
modules that the words of the command name are imported, and no others: a name in a file, such as
the environment in the header of a recording, imports nothing unless the user trusts it. Installed
modules come before those in the current directory, which is searched only for a module that is
installed nowhere.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from anchorgym.envs.errors import AnchorgymError, did_you_mean

_LISTED = 8
"""Names of a module that an error lists at most."""


class PluginError(AnchorgymError, ImportError):
    """A `module:Name` that leads to nothing usable.

    Where the module itself raised an error while it was imported, that error is the cause.
    """


class UntrustedModuleError(PluginError):
    """A module that a file names and the command line does not."""


class PluginResultError(AnchorgymError, TypeError):
    """An object of the user's own that lacks a method, or whose method gave something else."""


def reference_of(made: object) -> str:
    """Return the `module:Name` of an object's class, or of a class or function."""
    kind = made if isinstance(made, type) or hasattr(made, "__qualname__") else type(made)
    return f"{kind.__module__}:{kind.__qualname__}"


def require_methods(made: object, names: Iterable[str], what: str, source: str) -> None:
    """Check that an object of the user's own has the methods and attributes of its kind.

    Args:
        made: the object.
        names: of its methods and attributes.
        what: kind of object, such as "a driver".
        source: what has made it, such as `module:Name`.

    Raises:
        PluginResultError: it lacks some.
    """
    lacking = [name for name in names if not hasattr(made, name)]
    if lacking:
        raise PluginResultError(
            f"{source} made a {type(made).__name__}, which is not {what}: it has no "
            f"{', '.join(lacking)}"
        )


def wrong_result(made: object, method: str, wanted: str, given: object) -> PluginResultError:
    """Return the error for a method that gave something else."""
    shown = " ".join(ascii(given)[:80].split())
    return PluginResultError(
        f"{method} of {reference_of(made)} gave {shown} ({type(given).__name__}), "
        f"but is to give {wanted}"
    )


_MODULE: Final = re.compile(r"(?<![\w./\\-])((?:[^\W\d]\w*\.)*[^\W\d]\w*)(?=:)")
_OURS: Final = "anchorgym"
_named: frozenset[str] | None = None
"""Modules that may be imported; None for all, as in programs of the user's own."""
_trusts_all = False


@contextmanager
def only_named(words: Iterable[str], *, trust: bool = False) -> Iterator[None]:
    """Import only modules that words of the command line name, inside the block.

    Args:
        words: words such as `me:me/Corridor-v0`, `--policy=me:Name` or `["me:Name"]`. A settings
            file, `@FILE`, names nothing.
        trust: whether modules that files name are imported too.
    """
    global _named, _trusts_all
    before = _named, _trusts_all
    given = (word for word in words if not word.startswith("@"))
    _named = frozenset(name for word in given for name in _MODULE.findall(word))
    _trusts_all = trust
    try:
        yield
    finally:
        _named, _trusts_all = before


def admit(reference: str, wanted_by: str) -> None:
    """Check that the module of a name may be imported, and let it be found.

    Args:
        reference: `module:Name`, or the name of a module.
        wanted_by: what it is imported for, for the error message.

    Raises:
        UntrustedModuleError: it is named by a file alone, inside `only_named`.
    """
    module = reference.partition(":")[0]
    top = module.partition(".")[0]
    if _named is None or top == _OURS:
        return
    if module not in _named and not _trusts_all:
        raise UntrustedModuleError(
            f"a file names the module {module!r} for {wanted_by}, and to import a module is to run "
            "it: add --trust if you trust that file, or name it on the command line"
        )
    here = os.getcwd()
    if not {"", here} & set(sys.path) and not _is_installed(top):
        sys.path.append(here)


def _is_installed(top: str) -> bool:
    try:
        return top in sys.modules or importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def is_reference(name: str) -> bool:
    """Whether a name is of the form `module:Name`, and not that of a file or folder."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and _dotted(module.removesuffix(".py")) and _dotted(attribute)


def names_module(name: str) -> bool:
    """Whether a name leads into a module, as `module:Name` or `module:me/Name-v0`."""
    module, colon, rest = name.partition(":")
    return bool(colon) and _dotted(module) and (_dotted(rest) or "/" in rest)


def load_object(
    reference: str, kind: str, base: type | None = None, *, installed: bool = False
) -> Any:
    """Return the object that `module:Name` names.

    Args:
        reference: `module:Name`; both may hold dots, as in `my.package:Outer.Inner`.
        kind: what it is to be, such as "an algorithm", for the error message.
        base: a class that it must be a subclass of; by default any object will do.
        installed: whether an installed package names it, whose code runs in any case.

    Raises:
        PluginError: it is written otherwise, cannot be imported, is not defined there, or is no
            subclass of `base`.
    """
    name, colon, path = reference.partition(":")
    if not (colon and name and path):
        raise PluginError(f"{kind} of your own is named as module:Name, not {reference!r}")
    found: Any = load_module(name, f"{kind} {reference!r}", "module:Name", installed=installed)
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


def load_module(name: str, wanted_by: str, form: str, *, installed: bool = False) -> ModuleType:
    """Import a module of the user's own.

    Args:
        name: of the module.
        wanted_by: what it is imported for, for the error message.
        form: how such a name is written, such as "module:Name".
        installed: whether an installed package names it, whose code runs in any case.

    Raises:
        PluginError: there is none of this name, or it raised an error while it was imported.
        UntrustedModuleError: it is named by a file alone, see `only_named`.
    """
    opening = f"cannot import {name!r} for {wanted_by}:"
    if name.endswith(".py") or re.search(r"[/\\]", name):
        stem = re.split(r"[/\\]", name)[-1].removesuffix(".py")
        hint = f"name the module, not its file, as in '{stem}:{form.partition(':')[2]}'"
        raise PluginError(f"{opening} {hint}")
    if not _dotted(name):
        raise PluginError(f"{opening} {name!r} is no name of a module. The form is {form}")
    if not installed:
        admit(name, wanted_by)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise PluginError(f"{opening} it needs {error.name!r}, which is missing") from error
        raise PluginError(
            f"{opening} there is no module {error.name!r} in the current directory or among the "
            f"installed packages. The form is {form}"
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a module must not end the process
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
