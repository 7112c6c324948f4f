"""`anchorgym train`: clone an expert, improve it by reinforcement learning, evaluate."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from anchorgym.training.commands.command import Command, Settings
from anchorgym.training.commands.runs import ARGUMENTS, Job, run_job

if TYPE_CHECKING:
    from rich.table import Table

    from anchorgym.training.config.sections import TrainConfig
    from anchorgym.training.run.results import Run


def run(known: Namespace, given: Settings) -> int:
    """Train, or print the settings with --dry-run."""
    from anchorgym.training.config.sections import TrainConfig

    return run_job(
        known,
        given,
        command="train",
        model=TrainConfig,
        stem=_stem,
        work=_train,
        complete=_completed,
    )


def _stem(config: TrainConfig) -> str:
    from anchorgym.training.commands.runs import plain_name

    algorithm = config.algorithm.name.rpartition(":")[2].lower()
    return f"{plain_name(config.env.id)}-{algorithm}-s{config.seed}"


def _completed(config: TrainConfig) -> TrainConfig:
    from anchorgym.training.run.components import assemble, completed

    return completed(config, assemble(config))


def _train(job: Job[TrainConfig]) -> None:
    from anchorgym.training.inspect.plotting.anchors import read_anchors
    from anchorgym.training.run.trainer import train

    run = train(job.config, job.folder, job.console, resume=job.resume)
    job.console.print(_summary(run))
    if (anchors := read_anchors(run.folder)) is not None:
        job.say(f"{anchors}\n")
    job.say(f"saved      {_saved(run)}")


def _saved(run: Run) -> str:
    """Return a line on the files of the run, and on the iteration of the policy."""
    others = "curve.png, metrics.jsonl, result.json"
    if not (run.folder / "last").exists():
        return f"{run.folder}/policy, {others}"
    when = f"iteration {run.iteration}" if run.iteration else "the clone"
    return f"{run.folder}/policy (the best: {when}), last, {others}"


def _summary(run: Run) -> Table:
    from rich import box
    from rich.table import Table

    first = next(iter(run.before.values()))
    table = Table(
        first.panel_name, "before", "after", "gain (paired)", box=box.SIMPLE_HEAD, padding=(0, 1)
    )
    for mode in run.before:
        before, after = run.before[mode].success, run.after[mode].success
        table.add_row(mode, str(before), str(after), _signed(run.gain(mode)))
        rewards = [_rewards(each[mode].returns) for each in (run.before, run.after)]
        table.add_row("  rewards", *rewards, "")
    for column in table.columns[1:]:  # no figure is cut, however narrow the terminal is
        column.no_wrap, column.min_width = True, max(map(len, map(str, column.cells)))
    caption = "success in %, with 95 % intervals over tasks, and mean rewards of an episode"
    if first.training_tasks:
        caption += "\nwarning: measured on training tasks, as no others are declared in `splits`"
    last = next(iter(run.after.values()))
    if first.broken != last.broken:
        caption += (
            f"\nwarning: {len(first.tasks)} tasks could be started before, and {len(last.tasks)} "
            "after: the gain is over those in common"
        )
    table.caption = f"{caption}\n{time_spent(run)}"
    table.caption_justify = "left"
    return table


def _rewards(returns: float | None) -> str:
    return "" if returns is None else f"{returns:.3f}"


def time_spent(run: Run) -> str:
    """Return the CPU seconds by phase, and the wall seconds if they differ."""
    cpu, wall = sum(run.cpu_seconds.values()), sum(run.wall_seconds.values())
    spent = f"{cpu:.0f} CPU seconds{_by_phase(run.cpu_seconds)}"
    if abs(wall - cpu) <= 0.1 * cpu:
        return spent
    return f"{spent}\n{wall:.0f} seconds by the clock{_by_phase(run.wall_seconds)}"


def _by_phase(seconds: Mapping[str, float]) -> str:
    parts = [f"{phase} {spent:.0f}" for phase, spent in seconds.items() if spent >= 0.5]
    return f": {', '.join(parts)}" if parts else ""


def _signed(interval: object) -> str:
    text = str(interval)
    return text if text.startswith("-") else f"+{text}"


COMMAND = Command(
    name="train",
    summary="Train an agent: clone an expert, improve it by reinforcement learning.",
    about="""
        Prints success on held-out tasks before and after training, the paired gain with its 95 %
        interval, and where the CPU time went. The run's folder gets the policy, metrics, recorded
        episodes, a success curve, and every setting in config.json.

        A run may be interrupted at any moment; --resume continues it from its newest checkpoint,
        with the same result as if it had never stopped.""",
    examples=(
        "anchorgym train --env anchorgym/ALFWorld-v0 --algorithm gigpo",
        "anchorgym train corridor:me/Corridor-v0 --rollout.iterations 12 --seed 1",
        "anchorgym train @job.toml --out runs/mine --dry-run",
        "anchorgym train --resume runs/mine",
    ),
    arguments=ARGUMENTS,
    settings="anchorgym.training.config.sections:TrainConfig",
    takes_environment=True,
    run=run,
)
