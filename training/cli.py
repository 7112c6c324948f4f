"""The command line: `anchorgym COMMAND`; each command is a module of `training.commands`."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Sequence

from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.commands import COMMANDS, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    sys.path.insert(0, os.getcwd())  # so that `my_module:me/World-v0` is found
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    known, rest = parser.parse_known_args(_joined(words))
    if rest and not known.open_ended:
        parser.error(f"unrecognised: {' '.join(rest)}")
    try:
        status: int = known.run(known, rest)
        return status
    except (AnchorgymError, ValueError) as error:
        if not isinstance(error, AnchorgymError) and not _is_ours(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:  # whoever reads our output, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _joined(words: Sequence[str]) -> list[str]:
    """Write `--env.key value` as one word, so that no value is taken for a positional argument."""
    joined: list[str] = []
    for word in words:
        open_flag = joined and joined[-1].startswith("--env.") and "=" not in joined[-1]
        if open_flag and not word.startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="anchorgym", description=__doc__, allow_abbrev=False)
    version = importlib.metadata.version("anchorgym")
    parser.add_argument("--version", action="version", version=f"anchorgym {version}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"anchorgym.training.commands.{name.replace('-', '_')}")
        takes_settings = getattr(module, "TAKES_SETTINGS", False)
        command = commands.add_parser(
            name, help=module.HELP, allow_abbrev=False, add_help=not takes_settings
        )
        if takes_settings:  # its help lists the settings too
            command.add_argument("--help", "-h", action="store_true", help="list all settings")
        module.add(command)
        open_ended = takes_settings or getattr(module, "TAKES_ENV_ARGUMENTS", False)
        command.set_defaults(run=module.run, open_ended=open_ended)
    return parser


def _is_ours(error: Exception) -> bool:
    return type(error).__module__.startswith("anchorgym.")


if __name__ == "__main__":
    sys.exit(main())
