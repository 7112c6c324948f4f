"""The command line: `anchorgym COMMAND`, and `anchorgym WORLD COMMAND`.

General commands are the modules of `training.commands`; worlds bring their own, see
`training.worlds.registry`.
"""

from __future__ import annotations

import anchorgym.training.one_thread  # noqa: F401  (before numpy and torch)

# isort: split
import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from anchorgym.envs.errors import AnchorgymError, did_you_mean
from anchorgym.envs.plugins import load_object, only_named
from anchorgym.envs.texts import printable
from anchorgym.training.commands import COMMANDS, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from anchorgym.training.commands.command import Command, UsageError
from anchorgym.training.commands.helping import overview, page
from anchorgym.training.worlds.registry import World, worlds

_DEBUG = "--debug"
_PACKAGE = Path(__file__).resolve().parent.parent


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    words = list(sys.argv[1:] if words is None else words)
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # a character that it cannot encode is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    debug = os.environ.get("ANCHORGYM_DEBUG", "0") not in ("", "0")
    if words[:1] == [_DEBUG]:
        debug, words = True, words[1:]
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of the output, such as head, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt as interrupt:
        hint = f": {interrupt}" if str(interrupt) else ""
        print(f"\ninterrupted{hint}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BaseException as error:  # such as a world's SystemExit, which must not pass for success
        if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
            return EXIT_OK  # rich ends the process where nobody reads on
        print(printable("".join(_report(error, debug))), end="", file=sys.stderr)
        return EXIT_USAGE


def _run(words: list[str]) -> int:
    first = words[0] if words else "--help"
    if first in ("--help", "-h"):
        print(_general_help())
        return EXIT_OK
    if first == "--version":
        from importlib.metadata import version

        print(f"anchorgym {version('anchorgym')}")
        return EXIT_OK
    if first in COMMANDS:
        return _carry_out(_general(first), words[1:])
    world = worlds().get(first)
    if world is None:
        raise UsageError(_no_command(first))
    return _run_in_group(world, words[1:])


def _run_in_group(world: World, words: list[str]) -> int:
    first = words[0] if words else "--help"
    if first in ("--help", "-h"):
        print(_group_help(world))
        return EXIT_OK
    if first not in world.commands:
        raise UsageError(
            f"there is no command `anchorgym {world.name} {first}`."
            f"{did_you_mean(first, world.commands)} There are: {', '.join(world.commands)}"
        )
    return _carry_out(_of_world(world, first), words[1:])


def _carry_out(command: Command, words: list[str]) -> int:
    if command.asks_for_help(words):
        print(page(command))
        return EXIT_OK
    known, given = command.read(words)
    with only_named(words, trust=known.trust):
        return command.run(known, given)


def _general(name: str) -> Command:
    module = importlib.import_module(f"anchorgym.training.commands.{name}")
    command: Command = module.COMMAND
    return command


def _of_world(world: World, name: str) -> Command:
    command: Command = load_object(world.commands[name], "a command", installed=True)
    return command


def _general_help() -> str:
    groups = {
        "Commands": {name: _general(name).summary for name in COMMANDS},
        "Commands of one world": {
            f"{world.name} {'|'.join(world.commands)}": world.summary for world in worlds().values()
        },
    }
    return overview(
        "Environments that know which state they are in, and trainers that use it: multi-turn "
        "reinforcement learning for language agents.",
        "anchorgym [--help] [--version] [--debug] COMMAND ...",
        groups,
        "`anchorgym COMMAND --help` describes a command and its settings. --debug before the "
        "command, or ANCHORGYM_DEBUG=1, shows the whole traceback of an error.",
    )


def _group_help(world: World) -> str:
    name = world.name
    commands = {command: _of_world(world, command).summary for command in world.commands}
    closing = f"`anchorgym {name} COMMAND --help` describes a command and its settings."
    return overview(world.summary, f"anchorgym {name} COMMAND ...", {"Commands": commands}, closing)


def _no_command(name: str) -> str:
    groups = worlds()
    for world in groups.values():
        if name in world.former:
            return f"`anchorgym {name}` is now `anchorgym {world.name} {world.former[name]}`"
    hint = did_you_mean(name, [*COMMANDS, *groups])
    return f"there is no command {name!r}.{hint} `anchorgym --help` lists the commands"


# Errors -------------------------------------------------------------------------------------


def _report(error: BaseException, debug: bool) -> Iterator[str]:
    """Yield the text of an error: one line, after the frames of the user's own code, if any."""
    if debug:
        yield from traceback.format_exception(error)
        return
    if _is_ours(error):
        cause: BaseException | None = error
        while cause is not None and _is_ours(cause):
            cause = cause.__cause__
        if cause is not None:
            yield from _users_frames(cause)
        yield f"error: {error}\n"
    elif isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        yield f"error: {where}{error.strerror}\n"
    else:
        yield from _users_frames(error)
        ends = "" if isinstance(error, Exception) else " (which must not end the process)"
        yield (
            f"error: {type(error).__name__}: {error}{ends}. `anchorgym --debug ...` shows the "
            "whole traceback\n"
        )


def _users_frames(error: BaseException) -> list[str]:
    """Return the part of a traceback that is in the user's own files."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
    if not frames:
        return []
    return ["Traceback in your own code:\n", *traceback.format_list(frames)]


def _is_users(file: str) -> bool:
    if file.startswith("<"):
        return False
    path = Path(file).resolve()
    installed = "site-packages" in path.parts or path.is_relative_to(Path(os.__file__).parent)
    return not installed and not path.is_relative_to(_PACKAGE)


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, AnchorgymError) or type(error).__module__.startswith("anchorgym.")


if __name__ == "__main__":
    sys.exit(main())
