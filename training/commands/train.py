"""`anchorgym train`: clone, improve, measure."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK

if TYPE_CHECKING:
    from anchorgym.training.config import TrainConfig
    from anchorgym.training.trainer import Run

_TRAIN_USAGE = """\
anchorgym train [@file.toml] [--out FOLDER] [--dry-run] [--quiet] [settings]

  --out FOLDER  of the run (default: runs/ENV-ALGORITHM-SEED)
  --dry-run     check everything that can be checked, print the settings, and stop
  --quiet       show no progress

Settings, later ones winning; in a TOML file each part before a dot is a table:
"""


HELP = "train an agent"
TAKES_SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that are no settings."""
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/ENV-ALGORITHM)")
    parser.add_argument("--dry-run", action="store_true", help="print the settings and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Train, or show what would be done."""
    from anchorgym.training.config import TrainConfig
    from anchorgym.training.overrides import describe, parse_settings

    if known.help:
        print(_TRAIN_USAGE)
        for flag, default, meaning in describe(TrainConfig):
            print(f"{flag}  {default}".rstrip())
            print(textwrap.indent(textwrap.fill(meaning, 92), "      "))
        print(f"\nAlgorithms, and their options (--algorithm.OPTION):\n{_algorithms()}")
        return EXIT_OK
    config = TrainConfig.parse(parse_settings(rest))
    if known.dry_run:
        from anchorgym.training.parts import assemble

        assemble(config)
        print(config.model_dump_json(indent=2))
        return EXIT_OK
    from anchorgym.training.trainer import train

    console = Console(quiet=known.quiet)
    out = known.out or _free_folder(config)
    console.print(f"run        {out}", highlight=False)
    try:
        run = train(config, out, console)
    except KeyboardInterrupt:
        if (out / "policy").exists():
            print(
                f"\ninterrupted: {out} holds the metrics, the curve and the policy as it was; "
                f"go on from it with --policy {out}/policy",
                file=sys.stderr,
            )
            return EXIT_INTERRUPTED
        raise
    console.print(_summary(run))
    console.print(
        f"saved      {run.folder}/policy, curve.png, metrics.jsonl, result.json", highlight=False
    )
    return EXIT_OK


def _algorithms() -> str:
    from dataclasses import fields

    from anchorgym.gigpo import algorithm_names, find_algorithm

    lines = []
    for name in algorithm_names():
        options = (f"{field.name}={field.default!r}" for field in fields(find_algorithm(name)))
        lines.append(textwrap.fill(f"{name}: {', '.join(options)}", 98, subsequent_indent="    "))
    return "\n".join(lines)


def _summary(run: Run) -> Table:
    split = run.before["greedy"].split
    table = Table(split, "before", "after", "gain (paired)", box=box.SIMPLE_HEAD, padding=(0, 1))
    for mode in run.before:
        before, after = run.before[mode].success, run.after[mode].success
        table.add_row(mode, str(before), str(after), _signed(run.gain(mode)))
    for column in table.columns:
        column.no_wrap = True
    parts = ", ".join(f"{phase} {s:.0f}" for phase, s in run.seconds.items() if s >= 0.5)
    table.caption = (
        "success in %, with 95 % intervals over tasks\n"
        f"{sum(run.seconds.values()):.0f} CPU seconds: {parts}"
    )
    table.caption_justify = "left"
    return table


def _signed(interval: object) -> str:
    text = str(interval)
    return text if text.startswith("-") else f"+{text}"


def _free_folder(config: TrainConfig) -> Path:
    """Return a folder under runs/ that no run has used."""
    env = config.env.id.rpartition("/")[2].rpartition("-v")[0].lower() or "run"
    stem = f"{env}-{config.algorithm.name}-s{config.seed}"
    names = [stem, *(f"{stem}-{n}" for n in range(2, 10_000))]
    return next(Path("runs") / name for name in names if not (Path("runs") / name).exists())
