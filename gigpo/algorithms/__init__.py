"""The algorithms, found by name: `gigpo` is the subclass of `Algorithm` in `gigpo.py` here.

Adding one adds one file. A file whose name begins with an underscore is not an algorithm.
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

    Raises:
        UnknownAlgorithmError: there is none of this name.
    """
    known = algorithm_names()
    if name not in known:
        raise UnknownAlgorithmError(
            f"no algorithm is named {name!r}.{did_you_mean(str(name), known)} "
            f"The algorithms: {', '.join(known)}"
        )
    module = importlib.import_module(f"{__name__}.{name}")
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass)]
    own = [c for c in classes if issubclass(c, Algorithm) and c.__module__ == module.__name__]
    if len(own) != 1:
        raise UnknownAlgorithmError(
            f"{module.__name__} defines {len(own)} algorithms: define exactly one"
        )
    return own[0]


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
