"""The algorithms, found by name: `gigpo` is the subclass of `Algorithm` in `gigpo.py` here.

Adding one adds one file, or is done from outside: `module:Class` names a subclass of `Algorithm`
in any module that can be imported. A file whose name begins with an underscore is not an algorithm.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import fields

import numpy.typing as npt

from anchorgym.gigpo.algorithm import Algorithm, State
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.errors import UnknownAlgorithmError
from anchorgym.gigpo.options import did_you_mean, reject_unknown


def algorithm_names() -> list[str]:
    """Names of all algorithms, sorted."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in names if not name.startswith("_"))


def find_algorithm(name: str) -> type[Algorithm]:
    """The class of an algorithm.

    Args:
        name: one of `algorithm_names()`, or `module:Class` for one of the user's own.

    Raises:
        UnknownAlgorithmError: there is none of this name. Where the user's module raised an error
            while it was imported, that error is the cause.
    """
    if ":" in name:
        return _load(name)
    known = algorithm_names()
    if name not in known:
        raise UnknownAlgorithmError(
            f"no algorithm is named {name!r}.{did_you_mean(str(name), known)} "
            f"The algorithms: {', '.join(known)}. One of your own is named as module:Class"
        )
    module = importlib.import_module(f"{__name__}.{name}")
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass)]
    own = [c for c in classes if issubclass(c, Algorithm) and c.__module__ == module.__name__]
    if len(own) != 1:
        raise UnknownAlgorithmError(
            f"{module.__name__} defines {len(own)} algorithms: define exactly one"
        )
    return own[0]


def _load(reference: str) -> type[Algorithm]:
    """The algorithm that `module:Class` names."""
    opening = f"cannot load the algorithm {reference!r}:"
    try:
        found = pkgutil.resolve_name(reference)
    except ValueError as error:
        raise UnknownAlgorithmError(f"{opening} the form is module:Class") from error
    except AttributeError as error:
        known = vars(importlib.import_module(reference.partition(":")[0]))
        hint = did_you_mean(reference.rpartition(":")[2], known)
        raise UnknownAlgorithmError(f"{opening} {error}.{hint}") from error
    except Exception as error:
        remedy = "" if not isinstance(error, ImportError) else ". The form is module:Class"
        what = f"importing the module raised {type(error).__name__}: {error}{remedy}"
        raise UnknownAlgorithmError(f"{opening} {what}") from error
    if not (isinstance(found, type) and issubclass(found, Algorithm)):
        raise UnknownAlgorithmError(
            f"{opening} it is {found!r:.80}, but an algorithm is a subclass of "
            "anchorgym.gigpo.algorithm.Algorithm"
        )
    return found


def make_algorithm(name: str, **options: object) -> Algorithm:
    """An algorithm with these options.

    Raises:
        UnknownAlgorithmError, UnknownOptionError, OptionError: with the valid ones.
    """
    algorithm = find_algorithm(name)
    reject_unknown(name, (field.name for field in fields(algorithm)), options)
    return algorithm(**options)  # type: ignore[arg-type]


def advantages(
    name: str,
    batch: TurnBatch,
    *,
    returns: npt.ArrayLike | None = None,
    state: State | None = None,
    **options: object,
) -> FloatArray:
    """Advantage of each turn under the named algorithm, `(n_turns,)` float64.

    Args:
        name: of the algorithm, one of `algorithm_names()`.
        batch: the turns.
        returns: `(n_turns,)` returns-to-go without penalties, where they were computed before.
        state: what the algorithm remembers, for those that remember; updated in place.
        options: fields of the algorithm's class.
    """
    algorithm = make_algorithm(name, **options)
    return algorithm.advantages(batch if returns is None else batch.with_returns(returns), state)
