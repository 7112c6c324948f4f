"""`anchorgym redteam evaluate`: measure how well a trained team resists attackers."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import (
    Command,
    Settings,
    UsageError,
    folder,
    option,
    seed_option,
    switch,
    word,
)

if TYPE_CHECKING:
    from rich.console import Console

    from anchorgym.training.worlds.redteam.report import RedTeamReport

_COMMAND = "anchorgym redteam evaluate"
_RESPONSES = "responses"
"""Folder of the attackers that are trained for the measurement."""


def run(known: Namespace, given: Settings) -> int:
    """Measure and print."""
    import json
    import shutil

    from anchorgym.training.config.run_folders import claim
    from anchorgym.training.run.console import SafeConsole
    from anchorgym.training.selfplay.config import read_coevolve_config
    from anchorgym.training.worlds.redteam.report import WIDTH, pooled

    names = [folder.name for folder in known.folders]
    if known.out is not None:
        if len(set(names)) < len(names):
            raise UsageError(
                f"two of the runs have one name ({', '.join(names)}), so that their results would "
                "have one folder in --out: measure them one by one"
            )
        for run_folder in known.folders:
            read_coevolve_config(run_folder)  # one that holds no run leaves nothing in --out
        claim(known.out, _COMMAND)
    console = SafeConsole(width=max(WIDTH, SafeConsole().width))
    reports = [_measured(folder, known) for folder in known.folders]
    for run_folder in known.folders if known.out else ():
        shutil.rmtree(_out(run_folder, known) / _RESPONSES, ignore_errors=True)
    if known.json:
        found = [report.to_json() for report in reports]
        print(json.dumps(found[0] if len(found) == 1 else found))
        return EXIT_OK
    for run_folder, report in zip(known.folders, reports, strict=True):
        if len(reports) > 1:
            console.print(f"\n{run_folder}")
        console.print(report.tables())
        _tell(run_folder, known, console)
    if len(reports) > 1:
        console.print(pooled(reports))
    return EXIT_OK


def _measured(folder: Path, known: Namespace) -> RedTeamReport:
    """Measure a run, and write the results if --out is given."""
    import json

    from anchorgym.envs.durable import whole_file, write_file
    from anchorgym.training.run.console import SafeConsole
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.redteam.measuring import measure_run
    from anchorgym.training.worlds.redteam.report import draw

    out = _out(folder, known) if known.out else None
    with _scratch(out) as scratch:
        report = measure_run(
            folder,
            tasks=known.tasks,
            response=known.best_response,
            seed=known.seed,
            split=known.panel,
            topologies=known.topology,
            scratch=scratch,
            display=Display(None if known.json else SafeConsole(stderr=True)),
        )
        if out is not None:
            write_file(out / "redteam.json", json.dumps(report.to_json(), indent=1) + "\n")
            with whole_file(out / "redteam.png") as picture:
                draw(report, picture)
    for warning in report.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    return report


@contextmanager
def _scratch(out: Path | None) -> Iterator[Path]:
    """Give a folder for trainings.

    In the folder of --out, it stays until all runs are measured, so that a repeated command resumes
    what was interrupted.
    """
    import tempfile

    from anchorgym.training.config.run_folders import alone

    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    out.mkdir(exist_ok=True)
    with alone(out):
        try:
            yield out / _RESPONSES
        except KeyboardInterrupt as interrupt:
            if (out / _RESPONSES).exists():
                raise KeyboardInterrupt("repeat the command to go on from there") from interrupt
            raise


def _out(folder: Path, known: Namespace) -> Path:
    """Return the folder for the results of a run."""
    out: Path = known.out
    return out if len(known.folders) == 1 else out / folder.name


def _tell(folder: Path, known: Namespace, console: Console) -> None:
    """Print `--transcripts` episodes of the last team."""
    from anchorgym.training.worlds.redteam.measuring import transcripts

    for text in transcripts(folder, known.transcripts, split=known.panel, seed=known.seed):
        console.print(f"\n{text}")


COMMAND = Command(
    name="redteam evaluate",
    summary="Measure how well a team that was trained under attack resists attackers.",
    about="""
        Measures the last team of a run of anchorgym/RedTeam-v0 against scripted attackers, the
        attacker that it was trained with, and a new one that is trained against it, always beside
        an undefended and an untrained team. Prints attack success by goal, surface and topology,
        contagion, utility, over-refusal, detection, the diversity of attacks, and attack success
        of each generation against each other. For several runs it prints their means, with
        intervals over runs.""",
    examples=(
        "anchorgym redteam evaluate runs/redteam-selfplay --out figures --transcripts 2",
        "anchorgym redteam evaluate runs/seed-0 runs/seed-1 --best-response 0",
    ),
    arguments=(
        word(
            "folders",
            "RUN",
            "Folder of a run of self-play, or those of several runs.",
            type=Path,
            many=True,
            required=True,
        ),
        option(
            "--topology",
            "NAME",
            "Communication graph to measure on; may be given again. By default that of the "
            "training.",
            many=True,
        ),
        option("--tasks", "N", "Greatest number of tasks of the panel; by default all.", type=int),
        option("--panel", "SPLIT", "Split whose tasks are played.", default="test"),
        option(
            "--best-response",
            "N",
            "Training iterations of a new attacker against each team; 0 trains none.",
            type=int,
            default=20,
            least=0,
        ),
        seed_option("Seed of every random draw of the play."),
        option(
            "--transcripts",
            "N",
            "Number of episodes of the last team to print.",
            type=int,
            default=0,
            least=0,
        ),
        folder("--out", "Folder for redteam.json and its picture."),
        switch("--json", "Print all figures as JSON."),
    ),
    run=run,
)
