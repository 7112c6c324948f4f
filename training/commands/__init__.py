"""The commands, a module each: `add` declares its arguments, `run` carries it out.

A command is found by its name in `COMMANDS`; `training.cli` knows nothing else of it.
"""

from __future__ import annotations

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

COMMANDS = ("train", "evaluate", "replay", "check", "envs")
"""Names of the modules here, in the order in which `--help` lists them."""
