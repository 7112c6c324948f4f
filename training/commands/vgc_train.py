"""`anchorgym vgc-train`: a population of battle policies that grows by best responses."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK
from anchorgym.training.commands.vgc_clone import print_settings

HELP = "train a population of battle policies: self-play, double oracle, …"
TAKES_SETTINGS = True

_USAGE = """\
anchorgym vgc-train [@file.toml] [--out FOLDER] [--quiet] [settings]
anchorgym vgc-train --resume FOLDER [--quiet]

  --out FOLDER     of the run (default: runs/vgc-METHOD); one that was interrupted goes on
  --resume FOLDER  go on with the run of a folder, with its settings
  --quiet          show no progress

Settings, later ones winning:
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that are no settings."""
    parser.add_argument("--out", type=Path)
    parser.add_argument("--resume", type=Path, metavar="FOLDER")
    parser.add_argument("--quiet", action="store_true")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Train, and print the payoffs of the players."""
    from anchorgym.training.config.overrides import describe, parse_settings
    from anchorgym.training.league import payoff_table
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.vgc.config import PopulationConfig
    from anchorgym.training.worlds.vgc.populations import read_population_config, train_population

    if known.help:
        print_settings(_USAGE, describe(PopulationConfig))
        return EXIT_OK
    if known.resume:
        config = read_population_config(known.resume)
    else:
        config = PopulationConfig.parse(parse_settings(rest))
    out = known.resume or known.out or Path(f"runs/vgc-{config.method}")
    console = Console(quiet=known.quiet)
    console.print(f"run {out}", highlight=False)
    try:
        league = train_population(config, out, display=Display(console))
    except KeyboardInterrupt:
        print(f"\ninterrupted: go on with `anchorgym vgc-train --resume {out}`", file=sys.stderr)
        return EXIT_INTERRUPTED
    if config.method == "exploiter":
        gain = league.history[-1]["gains"]["player"]
        console.print(
            f"the exploiter gains {gain['mean']:+.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}]",
            highlight=False,
        )
    else:
        console.print(f"\n{payoff_table(league)}", highlight=False, soft_wrap=True)
    console.print(f"saved {out}/players, league, metrics.jsonl", highlight=False)
    return EXIT_OK
