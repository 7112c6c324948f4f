"""`anchorgym redteam-evaluate`: how a team that was trained under attack stands up."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from anchorgym.training.commands import EXIT_OK

HELP = "measure a red-team run: attacks, contagion, utility, fresh attackers"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folder", type=Path, metavar="RUN", help="folder of a run of anchorgym/RedTeam-v0"
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
    from anchorgym.training.redteam.measuring import measure_run, transcripts
    from anchorgym.training.redteam.report import WIDTH, draw
    from anchorgym.training.reporting import Display

    console = Console(width=max(WIDTH, Console().width))
    with tempfile.TemporaryDirectory() as scratch:
        report = measure_run(
            known.folder,
            tasks=known.tasks,
            response=known.best_response,
            seed=known.seed,
            split=known.split,
            scratch=Path(scratch),
            display=Display(None if known.json else Console(stderr=True)),
        )
    if known.out:
        known.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report.to_json(), indent=1)
        (known.out / "redteam.json").write_text(text + "\n", encoding="utf-8")
        draw(report, known.out / "redteam.png")
    for warning in report.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    if known.json:
        print(json.dumps(report.to_json()))
        return EXIT_OK
    console.print(report.tables())
    for text in transcripts(known.folder, known.transcripts, split=known.split, seed=known.seed):
        console.print(f"\n{text}", highlight=False, markup=False)
    return EXIT_OK
