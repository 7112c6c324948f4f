"""`anchorgym vgc-clone`: a battle policy that imitates a player, or people's battle logs."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from anchorgym.training.commands import EXIT_OK

HELP = "train a battle policy to imitate a player or battle logs"
TAKES_SETTINGS = True

_USAGE = """\
anchorgym vgc-clone [@file.toml] [--out FOLDER] [--quiet] [settings]
anchorgym vgc-clone --resume FOLDER [--quiet]

  --out FOLDER     of the run (default: runs/vgc-clone)
  --resume FOLDER  go on with the run of a folder, with its settings
  --quiet          show no progress

Settings, later ones winning:
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that are no settings."""
    parser.add_argument("--out", type=Path, default=Path("runs/vgc-clone"))
    parser.add_argument("--resume", type=Path, metavar="FOLDER")
    parser.add_argument("--quiet", action="store_true")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Collect demonstrations, and train on them."""
    from anchorgym.training.config.overrides import describe, parse_settings
    from anchorgym.training.config.run_folders import read_settings
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.vgc.cloning import POLICY, clone_battles
    from anchorgym.training.worlds.vgc.config import CloneBattlesConfig

    if known.help:
        print_settings(_USAGE, describe(CloneBattlesConfig))
        return EXIT_OK
    out = known.resume or known.out
    config = (
        read_settings(CloneBattlesConfig, out, "anchorgym vgc-clone")
        if known.resume
        else CloneBattlesConfig.parse(parse_settings(rest))
    )
    console = Console(quiet=known.quiet)
    for fit in clone_battles(config, out, display=Display(console)):
        console.print(
            f"epoch {fit.epoch}: loss {fit.loss:.3f}, held out {fit.held_out_loss:.3f}, "
            f"accuracy {fit.accuracy:.3f}, error of the value {fit.value_error:.3f}",
            highlight=False,
        )
    console.print(f"saved {out / POLICY}", highlight=False)
    return EXIT_OK


def print_settings(usage: str, settings: Iterable[tuple[str, str, str]]) -> None:
    """Print how a command is used, and its settings."""
    print(usage)
    for flag, default, meaning in settings:
        print(f"{flag}  {default}".rstrip())
        print(textwrap.indent(textwrap.fill(meaning, 92), "      "))
