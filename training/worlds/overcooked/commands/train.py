"""`anchorgym overcooked train`: train a cook by self-play."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from anchorgym.training.commands.command import Command, Settings
from anchorgym.training.commands.runs import ARGUMENTS, Job, run_job

if TYPE_CHECKING:
    from anchorgym.training.worlds.overcooked.config import TrainCookConfig

_GAMES = 20
"""Number of games with itself in which a cook is evaluated."""


def run(known: Namespace, given: Settings) -> int:
    """Train a cook, or print the settings with --dry-run."""
    from anchorgym.training.worlds.overcooked.config import TrainCookConfig

    return run_job(
        known,
        given,
        command="overcooked train",
        model=TrainCookConfig,
        stem=lambda config: f"overcooked-{config.layout}-s{config.seed}",
        work=_train,
        complete=_checked,
    )


def _checked(config: TrainCookConfig) -> TrainCookConfig:
    """Check that the kitchen and the cooks in the settings exist."""
    from anchorgym.envs.overcooked import Kitchen, load_layout
    from anchorgym.training.worlds.overcooked.network import NeuralCook

    kitchen = Kitchen(load_layout(config.layout))
    for folder in (*config.partners, *([config.start] if config.start else [])):
        NeuralCook.load(folder, kitchen)
    return config


def _train(job: Job[TrainCookConfig]) -> None:
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.overcooked.crossplay import play_pair
    from anchorgym.training.worlds.overcooked.runs import POLICY, train_cook

    if not job.resume:
        _checked(job.config)
    cook, seconds = train_cook(
        job.config, job.folder, display=Display(job.console), resume=job.resume
    )
    scores = play_pair(cook.kitchen, (cook, cook), _GAMES, seed=job.config.seed)
    job.say(
        f"score      {scores.mean():.0f} with itself, in {_GAMES} games\n"
        f"saved      {job.folder / POLICY}, {seconds:.0f} CPU seconds"
    )


COMMAND = Command(
    name="overcooked train",
    summary="Train a cook by self-play: one network in both seats of a kitchen.",
    about="""
        Prints the cook's score with itself. The cook is saved in policy/ of the run's folder,
        beside config.json; other commands take the folder of the run or of the policy.

        A run may be interrupted at any moment; --resume continues it from its newest checkpoint,
        with the same result as if it had never stopped.""",
    examples=(
        "anchorgym overcooked train --out runs/cook",
        "anchorgym overcooked train --partners '[\"runs/cook\"]' --seed 1",
    ),
    arguments=ARGUMENTS,
    settings="anchorgym.training.worlds.overcooked.config:TrainCookConfig",
    run=run,
)
