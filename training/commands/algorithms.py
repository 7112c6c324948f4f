"""`anchorgym algorithms`: list the algorithms, or describe one."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import Command, Settings, switch, word

if TYPE_CHECKING:
    from dataclasses import Field

    from anchorgym.gigpo import Algorithm


def run(known: Namespace, given: Settings) -> int:
    """Print the list, or the description of each named algorithm."""
    import json

    from anchorgym.gigpo import algorithm_names
    from anchorgym.training.learning.algorithms import named_algorithm

    found = {name: named_algorithm(name) for name in known.names or algorithm_names()}
    if known.json:
        values = [_values(name, algorithm) for name, algorithm in found.items()]
        print(json.dumps(values[0] if len(known.names) == 1 else values, indent=1))
    elif known.names:
        print("\n\n".join(_description(name, algorithm) for name, algorithm in found.items()))
    else:
        width = max(map(len, found))
        for name, algorithm in found.items():
            print(f"{name:<{width}}  {_about(algorithm)}")
    return EXIT_OK


def _about(algorithm: type[Algorithm]) -> str:
    """Return the first line of the docstring of the algorithm's module."""
    import inspect

    module = inspect.getmodule(algorithm)
    return (inspect.getdoc(module) or inspect.getdoc(algorithm) or "").partition("\n")[0]


def _values(name: str, algorithm: type[Algorithm]) -> dict[str, Any]:
    import inspect
    from dataclasses import fields

    return {
        "name": name,
        "about": _about(algorithm),
        "equation": inspect.getdoc(algorithm) or "",
        "options": {field.name: _default(field) for field in fields(algorithm)},
    }


def _default(option: Field[Any]) -> Any:
    """Return the default of an option in training, where settings may have one of their own."""
    from anchorgym.training.config.sections import AlgorithmConfig

    setting = AlgorithmConfig.model_fields.get(option.name)
    return option.default if setting is None else setting.default


def _description(name: str, algorithm: type[Algorithm]) -> str:
    """Return source, equation and options of an algorithm."""
    import inspect
    import textwrap
    from dataclasses import fields

    module = inspect.getmodule(algorithm)
    source = inspect.getdoc(module) or ""
    options = "\n".join(
        f"  --algorithm.{field.name.replace('_', '-')}  (default: {_default(field)!r})"
        for field in fields(algorithm)
    )
    blocks = [name, source, inspect.getdoc(algorithm) or ""]
    text = "\n\n".join(
        textwrap.indent(block, "  ") if i else block for i, block in enumerate(blocks)
    )
    return f"{text}\n\nOptions:\n{options}"


COMMAND = Command(
    name="algorithms",
    summary="List the algorithms that turn rewards into advantages, or describe one.",
    about="""
        Without names, prints one line for each algorithm. Of a named one, prints its source, its
        equation, and its options with their defaults; `anchorgym train --algorithm NAME` trains
        with it, and --algorithm.OPTION VALUE sets an option.""",
    examples=(
        "anchorgym algorithms",
        "anchorgym algorithms gigpo",
        "anchorgym algorithms my_module:MyAlgorithm",
    ),
    arguments=(
        word("names", "NAME", "Algorithm to describe, or module:Class of your own.", many=True),
        switch("--json", "Print the list, or the description, as JSON."),
    ),
    run=run,
)
