"""`anchorgym vgc clone`: clone a battle policy from a player or from people's battle logs."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from anchorgym.training.commands.command import Command, Settings
from anchorgym.training.commands.runs import ARGUMENTS, Job, run_job

if TYPE_CHECKING:
    from anchorgym.training.worlds.vgc.config import CloneBattlesConfig


def run(known: Namespace, given: Settings) -> int:
    """Collect demonstrations and train on them, or print the settings with --dry-run."""
    from anchorgym.training.worlds.vgc.config import CloneBattlesConfig

    return run_job(
        known,
        given,
        command="vgc clone",
        model=CloneBattlesConfig,
        stem=lambda config: f"vgc-clone-s{config.seed}",
        work=_clone,
    )


def _clone(job: Job[CloneBattlesConfig]) -> None:
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.vgc.cloning import POLICY, clone_battles

    display = Display(job.console)
    for fit in clone_battles(job.config, job.folder, display=display, resume=job.resume):
        job.say(
            f"epoch {fit.epoch}: loss {fit.loss:.3f}, held out {fit.held_out_loss:.3f}, "
            f"accuracy {fit.accuracy:.3f}, error of the value {fit.value_error:.3f}"
        )
    job.say(f"saved      {job.folder / POLICY}")


COMMAND = Command(
    name="vgc clone",
    summary="Train a battle policy to imitate a player, or the battle logs of people.",
    about="""
        A teacher plays battles, or logs in Showdown's protocol are read; then a small transformer
        is trained to imitate their choices. Prints the loss and the accuracy on held-out battles
        after each epoch. The policy is saved in policy/ of the run's folder.""",
    examples=(
        "anchorgym vgc clone --battle.teams 64 --out runs/clone",
        "anchorgym vgc clone --logs FOLDER --battles 0",
    ),
    arguments=ARGUMENTS,
    settings="anchorgym.training.worlds.vgc.config:CloneBattlesConfig",
    run=run,
)
