"""The general commands, a module each, with its `COMMAND`; worlds bring those of their own."""

from __future__ import annotations

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
"""Exit status: fine; a check failed or a comparison came out negative; a mistake; interrupted."""

COMMANDS = (
    "train",
    "selfplay",
    "evaluate",
    "play",
    "view",
    "replay",
    "check",
    "envs",
    "algorithms",
    "setup",
)
"""Names of the commands, and of their modules here, in the order in which `--help` lists them."""
