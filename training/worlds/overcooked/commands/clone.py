"""`anchorgym overcooked clone`: clone a cook from recorded games of people."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from anchorgym.training.commands.command import Command, Settings, UsageError, word
from anchorgym.training.commands.runs import ARGUMENTS, Job, run_job

if TYPE_CHECKING:
    from anchorgym.training.worlds.overcooked.config import CloneCookConfig


def run(known: Namespace, given: Settings) -> int:
    """Clone a cook, or print the settings with --dry-run."""
    from anchorgym.training.worlds.overcooked.config import CloneCookConfig

    if known.data is not None:
        given.setdefault("data", known.data)
    if known.resume is None and "data" not in given:
        raise UsageError(
            "GAMES is missing: name a file of recorded games, `anchorgym overcooked clone GAMES`"
        )
    return run_job(
        known,
        given,
        command="overcooked clone",
        model=CloneCookConfig,
        stem=lambda config: f"overcooked-{config.layout}-clone-s{config.seed}",
        work=_clone,
    )


def _clone(job: Job[CloneCookConfig]) -> None:
    from anchorgym.training.worlds.overcooked.runs import POLICY, clone_cook

    parts, fit = clone_cook(job.config, job.folder, resume=job.resume)
    job.say(
        f"clone      of {len(parts.shown)} games, {len(parts.kept)} to stop by\n"
        f"unseen     {len(parts.unseen)} games, {fit.decisions} decisions: log-likelihood "
        f"{fit.logprob:.3f}, accuracy {fit.accuracy:.3f}\n"
        f"saved      {job.folder / POLICY}"
    )


COMMAND = Command(
    name="overcooked clone",
    summary="Clone a cook from recorded games of people.",
    about="""
        Clones the actions of people in both seats, and prints how well the cook predicts their
        actions in held-out games. The games have the format of Carroll et al. (2019), arXiv
        1910.05789: one tick a line, as JSON. The cook is saved in policy/ of the run's folder.""",
    examples=(
        "anchorgym overcooked clone games.jsonl --out runs/human",
        "anchorgym overcooked clone games.jsonl.xz --part odd --layout coordination_ring",
    ),
    arguments=(
        word("data", "GAMES", "File of recorded games: the same as --data GAMES."),
        *ARGUMENTS,
    ),
    settings="anchorgym.training.worlds.overcooked.config:CloneCookConfig",
    run=run,
)
