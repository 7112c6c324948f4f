"""The general commands: each module defines one `COMMAND`; worlds have their own commands."""

from __future__ import annotations

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: success; a failed check or comparison; a wrong call; an interruption."""

COMMANDS = (
    "train",
    "selfplay",
    "evaluate",
    "play",
    "view",
    "replay",
    "export",
    "check",
    "envs",
    "algorithms",
    "setup",
)
"""Names of the commands and of their modules, in the order of `--help`."""
