"""The main job: clone an expert, improve by reinforcement in groups, measure before and after."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from anchorgym.agents.policies.model import load_policy
from anchorgym.training.config.durable import write_file
from anchorgym.training.config.run_folders import (
    CONFIG,
    RunFinishedError,
    alone,
    claim,
    read_settings,
    require_equal,
    require_free,
)
from anchorgym.training.config.sections import TrainConfig
from anchorgym.training.run.checkpoints import Checkpoints
from anchorgym.training.run.components import assemble, completed, find_factory
from anchorgym.training.run.display import Display
from anchorgym.training.run.job import START, Job
from anchorgym.training.run.metrics import MetricsLog
from anchorgym.training.run.results import RESULT, Run
from anchorgym.training.run.threads import tensor_threads


def train(
    config: TrainConfig, out: str | Path, console: Console | None = None, *, resume: bool = False
) -> Run:
    """Run a training job and leave everything in `out`.

    The folder gets `config.json` with every setting, `metrics.jsonl` (as it happens; the same
    numbers in `tensorboard/`), `checkpoints/`, `start/`, `clone/` and `policy/` (models and
    tokenizers: what was begun with, the clone, and the best so far), `last/` where the best is
    not the last, `episodes/`, `curve.png` and `anchors.png` and, when the run is finished,
    `result.json`.

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
    goes_on = (folder / CONFIG).exists()
    if not resume:
        require_free(folder)
    with ExitStack() as stack:
        checkpoints = Checkpoints(folder / "checkpoints", config.checkpoint.keep)
        saved = policy = None
        if goes_on:
            stack.enter_context(alone(folder))
            if (folder / RESULT).exists():
                raise RunFinishedError(f"{folder} is finished: there is nothing to resume")
            saved = checkpoints.newest()
            if saved:
                engine = find_factory(config.engine)
                policy = load_policy(folder / START, engine=engine)
        components = assemble(config, policy)
        config = completed(config, components)
        display = Display(console)
        if goes_on:
            require_equal(config, read_config(folder), folder)
        else:
            claim(folder, "anchorgym train")
            stack.enter_context(alone(folder))
            write_file(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
        state = saved.state if saved else {}
        written, elapsed = state.get("metrics_bytes", 0), state.get("elapsed", 0.0)
        log = MetricsLog(folder / "metrics.jsonl", written, elapsed, folder / "tensorboard")
        stack.callback(log.close)
        if log.left_out:
            display.say(escape(log.left_out))
        stack.enter_context(tensor_threads(config.threads))
        return Job(config, components, folder, log, display, checkpoints, saved).run()


def read_config(folder: Path) -> TrainConfig:
    """Return the settings of the run that a folder holds.

    Raises:
        ConfigError: it holds none, or one of another version's settings.
    """
    return read_settings(TrainConfig, folder, "anchorgym train")
