"""`anchorgym selfplay`: roles of a world that learn from and against each other."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK

if TYPE_CHECKING:
    from anchorgym.training.selfplay import CoevolveConfig, Generation

_USAGE = """\
anchorgym selfplay ENV_ID [@file.toml] [--out FOLDER] [--dry-run] [--quiet] [settings]
anchorgym selfplay --resume FOLDER [--quiet]

  ENV_ID           of several agents: namespace/Name-vN, or module:namespace/Name-vN
  --out FOLDER     of the run (default: runs/ENV-selfplay)
  --resume FOLDER  go on with the run of a folder, with its settings, whatever ended it
  --dry-run        check the settings, print them, and stop
  --quiet          show no progress

Settings, later ones winning; in a TOML file each part before a dot is a table. What is said of a
role begins with its name, such as --roles.attacker.algorithm rae:
"""

HELP = "train the agents of a world against each other"
TAKES_SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that are no settings."""
    parser.add_argument("env", nargs="?", metavar="ENV_ID", help="of several agents")
    parser.add_argument("--out", type=Path, help="folder of the run")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="go on with its run")
    parser.add_argument("--dry-run", action="store_true", help="print the settings and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Train, or show what would be done."""
    from anchorgym.training.config.overrides import describe, parse_settings
    from anchorgym.training.selfplay import CoevolveConfig, RoleConfig
    from anchorgym.training.selfplay.config import read_coevolve_config

    if known.help:
        print(_USAGE)
        settings = [*describe(CoevolveConfig), *describe(RoleConfig, "roles.NAME.")]
        for flag, default, meaning in settings:
            print(f"{flag}  {default}".rstrip())
            print(textwrap.indent(textwrap.fill(meaning, 92), "      "))
        return EXIT_OK
    if known.resume is not None:
        return _play(read_coevolve_config(known.resume), known.resume, known.quiet, resume=True)
    given = parse_settings(rest)
    if known.env:
        given.setdefault("env", {})["id"] = known.env
    config = CoevolveConfig.parse(given)
    if known.dry_run:
        print(config.model_dump_json(indent=2))
        return EXIT_OK
    return _play(config, known.out or _free_folder(config), known.quiet)


def _play(config: CoevolveConfig, out: Path, quiet: bool, *, resume: bool = False) -> int:
    from anchorgym.training.selfplay import coevolve

    console = Console(quiet=quiet)
    console.print(f"run        {out}", highlight=False)
    try:
        generations = list(coevolve(config, out, console=console, resume=resume))
    except KeyboardInterrupt:
        if not (out / "config.json").exists():  # nothing has begun
            raise
        print(
            f"\ninterrupted: go on with `anchorgym selfplay --resume {out}` after its last whole "
            "generation",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    if not generations:
        console.print(f"{out} is finished: there is nothing to resume", highlight=False)
        return EXIT_OK
    _summarise(console, generations[-1])
    console.print(f"saved      {out}/players, league, metrics.jsonl", highlight=False)
    return EXIT_OK


def _summarise(console: Console, last: Generation) -> None:
    if last.payoff:
        console.print(f"\n{last.payoff}\n", highlight=False, soft_wrap=True)
    if last.exploitation is not None:
        for side, gain in last.exploitation.gains.items():
            console.print(
                f"a fresh {side} gains {gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] on the "
                "last of its kind",
                highlight=False,
            )


def _free_folder(config: CoevolveConfig) -> Path:
    """Return a folder under runs/ that no run has used."""
    env = config.env.id.rpartition("/")[2].rpartition("-v")[0].lower() or "run"
    names = [f"{env}-selfplay", *(f"{env}-selfplay-{n}" for n in range(2, 10_000))]
    return next(Path("runs") / name for name in names if not (Path("runs") / name).exists())
