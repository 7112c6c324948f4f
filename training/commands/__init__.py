"""The commands, a module each: `add` declares its arguments, `run` carries it out.

A command is found by its name in `COMMANDS`; `training.cli` knows nothing else of it.
"""

from __future__ import annotations

import argparse
from typing import Any

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

COMMANDS = (
    "train",
    "selfplay",
    "evaluate",
    "play",
    "view",
    "replay",
    "check",
    "envs",
    "setup",
    "overcooked",
    "redteam-evaluate",
    "vgc-clone",
    "vgc-train",
    "evaluate-league",
    "serve-webshop",
)
"""Names of the modules here (with _ for -), in the order in which `--help` lists them."""


def environment_arguments(known: argparse.Namespace, rest: list[str]) -> dict[str, Any]:
    """Return what an environment is to be made with: `--split`, `--data` and `--env.KEY VALUE`.

    Raises:
        ConfigError: a flag of another kind.
    """
    from anchorgym.training.config.overrides import parse_settings
    from anchorgym.training.config.sections import ConfigError

    settings = parse_settings(rest)
    own = settings.pop("env", {})
    strange = [*settings, *(["env.id"] if "id" in own else [])]
    if strange:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in strange)
        raise ConfigError(
            f"unrecognised: {flags}. Beside the command's own flags (see --help), --env.KEY VALUE "
            "gives the environment an argument"
        )
    given = {name: getattr(known, name, None) for name in ("split", "data")}
    return {**own, **{name: value for name, value in given.items() if value is not None}}
