"""The main job: clone an expert, improve by reinforcement in groups, measure before and after."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from rich.console import Console

from anchorgym.agents.model_policy import load_policy
from anchorgym.envs.errors import AnchorgymError
from anchorgym.training.checkpoints import Checkpoints
from anchorgym.training.config import ConfigError, TrainConfig, changed_fields
from anchorgym.training.durable import remove_leftovers, write_file
from anchorgym.training.job import START, Job
from anchorgym.training.parts import assemble, completed
from anchorgym.training.reporting import Display, MetricsLog
from anchorgym.training.results import RESULT, Run

_CONFIG = "config.json"

__all__ = ["Run", "RunBusyError", "RunExistsError", "RunFinishedError", "read_config", "train"]


class RunExistsError(AnchorgymError, FileExistsError):
    """The folder already holds a run."""


class RunFinishedError(AnchorgymError, ValueError):
    """The run is finished: there is nothing to resume."""


class RunBusyError(AnchorgymError, BlockingIOError):
    """Another process is at work in the folder."""


def train(
    config: TrainConfig, out: str | Path, console: Console | None = None, *, resume: bool = False
) -> Run:
    """Run a training job and leave everything in `out`.

    The folder gets `config.json` with every setting, `metrics.jsonl` (as it happens),
    `checkpoints/`, `start/`, `clone/` and `policy/` (models and tokenizers: what was begun with,
    the clone, and the best so far), `last/` where the best is not the last, `episodes/`,
    `curve.png` and, when the run is finished, `result.json`.

    The best policy is the one that won most of the curve's panel, the later one of equals; that
    panel and the one of the final figures share no task. Where nothing is held out, it is the last.

    Args:
        config: what to do.
        out: a folder that does not hold a run yet, unless `resume` is given.
        console: shows progress there.
        resume: go on with the run that `out` holds from its newest checkpoint, whatever ended it:
            it ends as if it had never stopped. A folder without a run begins one.

    Raises:
        RunExistsError: `out` holds a run.
        RunFinishedError: `out` holds a finished run that was to be resumed.
        RunBusyError: another process is working on that run.
        ConfigError: the run has other settings; the message names them.
    """
    folder = Path(out)
    goes_on = (folder / _CONFIG).exists()
    if goes_on and not resume:
        raise RunExistsError(
            f"{folder} already holds a run: give another folder, or resume it with --resume"
        )
    with ExitStack() as stack:
        checkpoints = Checkpoints(folder / "checkpoints", config.checkpoint.keep)
        saved = policy = None
        if goes_on:
            stack.enter_context(_alone(folder))
            if (folder / RESULT).exists():
                raise RunFinishedError(f"{folder} is finished: there is nothing to resume")
            saved = checkpoints.newest()
            policy = load_policy(folder / START, seed=config.seed) if saved else None
        parts = assemble(config, policy)
        config = completed(config, parts)
        display = Display(console)
        if goes_on:
            _require_equal(config, read_config(folder), folder)
            remove_leftovers(folder)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_alone(folder))
            write_file(folder / _CONFIG, config.model_dump_json(indent=2) + "\n")
        state = saved.state if saved else {}
        written, elapsed = state.get("metrics_bytes", 0), state.get("elapsed", 0.0)
        log = MetricsLog(folder / "metrics.jsonl", written, elapsed)
        stack.callback(log.close)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(config.threads)
        return Job(config, parts, folder, log, display, checkpoints, saved).run()


def read_config(folder: Path) -> TrainConfig:
    """Return the settings of the run that a folder holds.

    Raises:
        ConfigError: it holds none, or one of another version's settings.
    """
    try:
        return TrainConfig.parse_json((folder / _CONFIG).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{folder} holds no run ({_CONFIG} is missing): give the folder that `anchorgym train` "
            "named"
        ) from error


def _require_equal(given: TrainConfig, kept: TrainConfig, folder: Path) -> None:
    fields = changed_fields(kept, given)
    if fields:
        raise ConfigError(
            f"{folder} was begun with other settings: {'; '.join(fields)}. Resume it with its own, "
            "or begin a new run in another folder"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes out; the lock ends with the process, however that ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunBusyError(
                f"another process is at work in {folder}: wait for it, or end it"
            ) from error
        yield
    finally:
        os.close(handle)
