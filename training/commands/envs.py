"""`anchorgym envs`: list the environments."""

from __future__ import annotations

import argparse

from anchorgym.training.commands import EXIT_OK

HELP = "list the environments"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: none."""


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Print the ids, one a line."""
    import gymnasium as gym

    import anchorgym.envs  # noqa: F401  (registers ours)

    for name in sorted(name for name in gym.registry if name.startswith("anchorgym/")):
        print(name)
    return EXIT_OK
