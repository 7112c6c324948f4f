"""`anchorgym redteam-evaluate`: how a team that was trained under attack stands up."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from anchorgym.training.commands import EXIT_OK

if TYPE_CHECKING:
    from anchorgym.training.worlds.redteam.report import RedTeamReport

HELP = "measure a red-team run: attacks, contagion, utility, fresh attackers"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="folder of a run of anchorgym/RedTeam-v0; of several, such as of five seeds, what "
        "they come to is shown too, with intervals over them",
    )
    parser.add_argument(
        "--topology",
        action="append",
        default=[],
        metavar="NAME",
        help="to measure on, again for others (default: the one that was trained on)",
    )
    parser.add_argument("--tasks", type=int, metavar="N", help="of the panel (default: all)")
    parser.add_argument("--split", default="test", help="default: test")
    parser.add_argument(
        "--best-response",
        type=int,
        default=20,
        metavar="N",
        help="iterations that a fresh attacker is trained for against each team; 20, 0 for none",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--transcripts", type=int, default=0, metavar="N", help="print N episodes of the last team"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for redteam.json and .png")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Measure and print."""
    from anchorgym.training.worlds.redteam.report import WIDTH, pooled

    console = Console(width=max(WIDTH, Console().width))
    reports = [_measured(folder, known) for folder in known.folders]
    if known.json:
        found = [report.to_json() for report in reports]
        print(json.dumps(found[0] if len(found) == 1 else found))
        return EXIT_OK
    for folder, report in zip(known.folders, reports, strict=True):
        if len(reports) > 1:
            console.print(f"\n{folder}", highlight=False)
        console.print(report.tables())
        _tell(folder, known, console)
    if len(reports) > 1:
        console.print(pooled(reports))
    return EXIT_OK


def _measured(folder: Path, known: argparse.Namespace) -> RedTeamReport:
    """Measure a run, and keep what was found where that is asked for."""
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.redteam.measuring import measure_run
    from anchorgym.training.worlds.redteam.report import draw

    with tempfile.TemporaryDirectory() as scratch:
        report = measure_run(
            folder,
            tasks=known.tasks,
            response=known.best_response,
            seed=known.seed,
            split=known.split,
            topologies=known.topology,
            scratch=Path(scratch),
            display=Display(None if known.json else Console(stderr=True)),
        )
    for warning in report.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    if known.out:
        out = known.out / folder.name if len(known.folders) > 1 else known.out
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report.to_json(), indent=1)
        (out / "redteam.json").write_text(text + "\n", encoding="utf-8")
        draw(report, out / "redteam.png")
    return report


def _tell(folder: Path, known: argparse.Namespace, console: Console) -> None:
    """Print the transcripts that are asked for."""
    from anchorgym.training.worlds.redteam.measuring import transcripts

    for text in transcripts(folder, known.transcripts, split=known.split, seed=known.seed):
        console.print(f"\n{text}", highlight=False, markup=False)
