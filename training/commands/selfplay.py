"""`anchorgym selfplay`: train the roles of a multi-agent world against each other."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from anchorgym.training.commands.command import Command, Settings, UsageError
from anchorgym.training.commands.runs import ARGUMENTS, Job, plain_name, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from anchorgym.training.selfplay import CoevolveConfig, Generation


def run(known: Namespace, given: Settings) -> int:
    """Train, or print the settings with --dry-run."""
    from anchorgym.training.selfplay.config import CoevolveConfig

    if known.resume is None and "env" not in given:
        raise UsageError(
            "name a world of several agents: `anchorgym selfplay ENV`. `anchorgym envs` lists them"
        )
    return run_job(
        known,
        given,
        command="selfplay",
        model=CoevolveConfig,
        stem=lambda config: f"{plain_name(config.env.id)}-selfplay",
        work=_play,
        complete=_checked,
    )


def _checked(config: CoevolveConfig) -> CoevolveConfig:
    """Check that the world can be made, and that the roles fit it."""
    from anchorgym.envs import make_parallel
    from anchorgym.training.selfplay.assembly import role_settings, world_arguments

    world = make_parallel(config.env.id, **world_arguments(config))
    role_settings(config, world.possible_agents)
    return config


def _play(job: Job[CoevolveConfig]) -> None:
    from anchorgym.training.selfplay import coevolve

    if not job.resume:
        _checked(job.config)
    generations = list(coevolve(job.config, job.folder, console=job.console, resume=job.resume))
    if not generations:
        job.say(f"{job.folder} is finished: there is nothing to resume")
        return
    _summarise(job.console, generations[-1])
    job.say(f"saved      {job.folder}/players, league, metrics.jsonl")


def _summarise(console: Console, last: Generation) -> None:
    if last.payoff:
        console.print(f"\n{last.payoff}\n", highlight=False, soft_wrap=True)
    if last.exploitation is not None:
        for side, gain in last.exploitation.gains.items():
            console.print(
                f"a fresh {side} gains {gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] on the "
                "last of its kind, a lower bound of what can be gained",
                highlight=False,
            )


COMMAND = Command(
    name="selfplay",
    summary="Train the agents of a world with and against each other.",
    about="""
        Agents are grouped into roles by their names, player_0 and player_1 into player. After
        each generation the policy of every trained role joins a league. Prints the payoffs between
        all players so far and, if it is measured, the gain of freshly trained opponents against
        the newest players.

        The run's folder gets players/ (the policy of every role after each generation), league/
        (all games), metrics.jsonl, and every setting in config.json. --resume continues from
        the newest checkpoint.""",
    examples=(
        "anchorgym selfplay haggling:me/Haggling-v0 --league.zero-sum false",
        "anchorgym selfplay anchorgym/RedTeam-v0 --payoff-games 0 --roles.attacker.algorithm rae "
        "--roles.defender.algorithm rae",
        "anchorgym selfplay --resume runs/haggling-selfplay",
    ),
    arguments=ARGUMENTS,
    settings="anchorgym.training.selfplay.config:CoevolveConfig",
    takes_environment=True,
    run=run,
)
