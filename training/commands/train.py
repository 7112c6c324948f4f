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
    from anchorgym.training.config.sections import TrainConfig
    from anchorgym.training.run.trainer import Run

_TRAIN_USAGE = """\
anchorgym train [@file.toml] [--out FOLDER] [--dry-run] [--quiet] [settings]
anchorgym train --resume FOLDER [--quiet]

  --out FOLDER     of the run (default: runs/ENV-ALGORITHM-SEED)
  --resume FOLDER  go on with the run of a folder, with its settings, whatever ended it
  --dry-run        check everything that can be checked, print all settings, and stop
  --quiet          show no progress

Settings, later ones winning; in a TOML file each part before a dot is a table:
"""


HELP = "train an agent"
TAKES_SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that are no settings."""
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/ENV-ALGORITHM)")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="go on with its run")
    parser.add_argument("--dry-run", action="store_true", help="print the settings and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Train, or show what would be done."""
    from anchorgym.training.config.overrides import describe, parse_settings
    from anchorgym.training.config.sections import TrainConfig

    if known.help:
        print(_TRAIN_USAGE)
        for flag, default, meaning in describe(TrainConfig):
            print(f"{flag}  {default}".rstrip())
            print(textwrap.indent(textwrap.fill(meaning, 92), "      "))
        print(f"\nAlgorithms, and their options (--algorithm.OPTION):\n{_algorithms()}")
        return EXIT_OK
    if known.resume is not None:
        return _resume(known, rest)
    config = TrainConfig.parse(parse_settings(rest))
    if known.dry_run:
        from anchorgym.training.run.components import assemble, completed

        print(completed(config, assemble(config)).model_dump_json(indent=2))
        return EXIT_OK
    return _train(config, known.out or _free_folder(config), Console(quiet=known.quiet))


def _resume(known: argparse.Namespace, rest: list[str]) -> int:
    """Go on with a run; settings beside its own are refused."""
    from anchorgym.training.config.sections import ConfigError
    from anchorgym.training.run.trainer import RunFinishedError, read_config

    others = [*rest, *(["--out"] if known.out else []), *(["--dry-run"] if known.dry_run else [])]
    if others:
        raise ConfigError(
            f"--resume takes every setting from {known.resume}/config.json: leave out "
            f"{' '.join(others)}, or begin a new run with --out"
        )
    config = read_config(known.resume)
    try:
        return _train(config, known.resume, Console(quiet=known.quiet), resume=True)
    except RunFinishedError as error:
        print(error)
        return EXIT_OK


def _train(config: TrainConfig, out: Path, console: Console, *, resume: bool = False) -> int:
    from anchorgym.training.inspect.plotting.anchors import read_anchors
    from anchorgym.training.run.trainer import train

    console.print(f"run        {out}", highlight=False)
    try:
        run = train(config, out, console, resume=resume)
    except KeyboardInterrupt:
        if not (out / "config.json").exists():  # nothing has begun
            raise
        print(
            f"\ninterrupted: go on with `anchorgym train --resume {out}`; it holds the metrics, "
            "the curve and the policy so far",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    console.print(_summary(run))
    if (anchors := read_anchors(run.folder)) is not None:
        console.print(f"{anchors}\n", highlight=False)
    console.print(f"saved      {_saved(run)}", highlight=False)
    return EXIT_OK


def _saved(run: Run) -> str:
    """Say what is where, and of which iteration the policy is."""
    others = "curve.png, metrics.jsonl, result.json"
    if not (run.folder / "last").exists():
        return f"{run.folder}/policy, {others}"
    when = f"iteration {run.iteration}" if run.iteration else "the clone"
    return f"{run.folder}/policy (the best: {when}), last, {others}"


def _algorithms() -> str:
    import inspect
    from dataclasses import fields

    from anchorgym.gigpo import algorithm_names, find_algorithm

    lines = []
    for name in algorithm_names():
        found = find_algorithm(name)
        about = (inspect.getdoc(inspect.getmodule(found)) or "").partition("\n")[0]
        options = (f"{field.name}={field.default!r}" for field in fields(found))
        lines.append(f"{name}: {about}")
        lines.append(textwrap.indent(textwrap.fill(", ".join(options), 92), "    "))
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
