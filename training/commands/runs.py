"""The common part of commands that train: the folder of a run, its settings, and its end.

A command passes the model of its settings, a name for its folders and its work to `run_job`.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anchorgym.envs.plugins import names_module
from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK
from anchorgym.training.commands.command import Settings, UsageError, folder, switch

if TYPE_CHECKING:
    from rich.console import Console

    from anchorgym.training.config.general import RunConfig

S = TypeVar("S", bound="RunConfig")

ARGUMENTS = (
    folder(
        "--out",
        "Folder of the run, which must not hold a run yet; by default a free name under runs/.",
    ),
    folder(
        "--resume",
        "Resume the run in a folder, with the settings that the folder holds. Options that say "
        "where the engine runs, such as --engine.url, may be given anew.",
    ),
    switch("--dry-run", "Check the settings, print all of them as JSON, and stop."),
    switch("--quiet", "Print no progress and no results, only errors."),
)
"""Arguments of every command that trains."""


@dataclass(frozen=True, slots=True)
class Job(Generic[S]):
    """A run to start or to resume."""

    config: S
    folder: Path
    resume: bool
    console: Console
    """Console for progress and results, which is silent with --quiet."""

    def say(self, text: str) -> None:
        """Print a line without wrapping, so that paths in it can be copied."""
        self.console.print(text, soft_wrap=True)


def run_job(
    known: Namespace,
    given: Settings,
    *,
    command: str,
    model: type[S],
    stem: Callable[[S], str],
    work: Callable[[Job[S]], None],
    complete: Callable[[S], S] | None = None,
) -> int:
    """Read the settings, do the work, and return the exit status.

    Args:
        known: arguments of the command, `ARGUMENTS` included.
        given: settings from the command line.
        command: name of the command, such as `train`.
        model: model of the settings.
        stem: function that names a run's folder under runs/, by its settings.
        work: function that trains and prints the results.
        complete: function that checks the settings further and fills in defaults.

    Raises:
        UsageError: --resume is given together with settings that a resumed run cannot change.
        ConfigError: settings are wrong, or the folder to resume holds no run.
        RunExistsError: the folder of --out holds a run.
    """
    from anchorgym.training.config.run_folders import free_folder, read_settings, require_free
    from anchorgym.training.config.section import FOR_FILES

    if known.resume is not None:
        _refuse_settings(known, given)
        config = _moved(read_settings(model, known.resume, f"anchorgym {command}"), given)
    else:
        config = model.parse(given)
    if known.resume is None and known.out is not None:
        require_free(known.out)
    if known.dry_run:
        config = complete(config) if complete is not None else config
        print(config.model_dump_json(indent=2, context=FOR_FILES))
        return EXIT_OK
    out = known.resume or known.out or free_folder(stem(config))
    return _carry_out(
        known, command, Job(config, out, known.resume is not None, _console(known)), work
    )


def _carry_out(known: Namespace, command: str, job: Job[S], work: Callable[[Job[S]], None]) -> int:
    from anchorgym.training.config.run_folders import CONFIG, RunFinishedError

    job.say(f"run        {job.folder}")
    try:
        work(job)
    except RunFinishedError as error:
        job.say(str(error))
    except KeyboardInterrupt:
        if not (job.folder / CONFIG).exists():  # the run has not started
            raise
        print(
            f"\ninterrupted: go on with `anchorgym {command} --resume {job.folder}"
            f"{' --trust' if _names_modules(job.config.model_dump()) else ''}`",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    return EXIT_OK


def _names_modules(value: Any) -> bool:
    """Whether settings name a module of the user's own, which is resumed with --trust."""
    if isinstance(value, dict):
        return any(map(_names_modules, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_names_modules, value))
    return isinstance(value, str) and names_module(value)


def _console(known: Namespace) -> Console:
    from anchorgym.training.run.console import SafeConsole

    return SafeConsole(quiet=known.quiet)


def _refuse_settings(known: Namespace, given: Settings) -> None:
    """Refuse settings of a run to resume but those that say where and how its engine runs."""
    from anchorgym.training.config.general import MOVABLE

    engine = given.get("engine", {})
    others = [f"--{name.replace('_', '-')}" for name in given if name != "engine"]
    if isinstance(engine, dict):
        others += [f"--engine.{name}" for name in engine if name not in MOVABLE]
    else:
        others += ["--engine"]
    others += ["--out"] if known.out is not None else []
    if others:
        raise UsageError(
            f"--resume takes every setting from {known.resume}/config.json: leave out "
            f"{', '.join(others)}, or begin a new run with --out"
        )


def _moved(config: S, given: Settings) -> S:
    """Return the settings of a run whose engine runs elsewhere."""
    if "engine" not in given:
        return config
    kept: Any = config.model_dump()
    return (
        type(config)
        .parse({**kept, "engine": {**kept["engine"], **given["engine"]}})
        .as_given(config)
    )


def plain_name(env_id: str) -> str:
    """Return the name part of an environment's id, for the folder of a run."""
    return env_id.rpartition("/")[2].rpartition(":")[2].rpartition("-v")[0].lower() or "run"
