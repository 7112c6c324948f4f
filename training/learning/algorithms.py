"""Lookup of algorithms by name: those of `anchorgym.gigpo`, and the user's own."""

from __future__ import annotations

from anchorgym.envs.plugins import admit, is_reference
from anchorgym.gigpo import Algorithm, make_algorithm
from anchorgym.gigpo.algorithms import find_algorithm


def named_algorithm(name: str) -> type[Algorithm]:
    """Return the class of an algorithm.

    Args:
        name: name in `anchorgym.gigpo.algorithm_names()`, or `module:Class`.

    Raises:
        UnknownAlgorithmError: there is no such algorithm.
        UntrustedModuleError: a file alone names its module.
    """
    if is_reference(name):
        admit(name, f"the algorithm {name!r}")
    return find_algorithm(name)


def configured_algorithm(name: str, **options: object) -> Algorithm:
    """Return an algorithm with its options.

    Raises:
        UnknownAlgorithmError, UnknownOptionError, OptionError: there is no such algorithm, or it
            does not take these options.
        UntrustedModuleError: a file alone names its module.
    """
    named_algorithm(name)
    return make_algorithm(name, **options)
