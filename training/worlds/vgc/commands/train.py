"""`anchorgym vgc train`: train a population of battle policies by best responses."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from anchorgym.training.commands.command import Command, Settings
from anchorgym.training.commands.runs import ARGUMENTS, Job, run_job

if TYPE_CHECKING:
    from anchorgym.training.worlds.vgc.config import PopulationConfig


def run(known: Namespace, given: Settings) -> int:
    """Train a population, or print the settings with --dry-run."""
    from anchorgym.training.worlds.vgc.config import PopulationConfig

    return run_job(
        known,
        given,
        command="vgc train",
        model=PopulationConfig,
        stem=lambda config: f"vgc-{config.method}-s{config.seed}",
        work=_train,
    )


def _train(job: Job[PopulationConfig]) -> None:
    from anchorgym.training.league import payoff_table
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.vgc.populations import train_population

    display = Display(job.console)
    league = train_population(job.config, job.folder, display=display, resume=job.resume)
    if job.config.method == "exploiter":
        gain = league.history[-1]["gains"]["player"]
        job.say(
            f"the exploiter gains {gain['mean']:+.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}], "
            "a lower bound of what can be gained"
        )
    else:
        job.say(f"\n{payoff_table(league)}")
    job.say(f"saved      {job.folder}/players, league, metrics.jsonl")


COMMAND = Command(
    name="vgc train",
    summary="Train a population of battle policies by PPO against its own members.",
    about="""
        Players are trained one after the other: against themselves (self-play), all before them
        (fictitious play), their equilibrium (double oracle), or as an exploiter against one
        target. Prints the payoffs between all players, with intervals.

        The run's folder gets players/ (a policy each), league/ (all games), metrics.jsonl, and
        every setting in config.json.""",
    examples=(
        "anchorgym vgc train --method double-oracle --start runs/clone",
        "anchorgym vgc train --method exploiter --target heuristic --start runs/clone",
        "anchorgym vgc train --resume runs/vgc-double-oracle-s0",
    ),
    arguments=ARGUMENTS,
    settings="anchorgym.training.worlds.vgc.config:PopulationConfig",
    run=run,
)
