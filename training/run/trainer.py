"""The training job: clone an expert, improve it by group-based reinforcement learning, evaluate."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from anchorgym.agents.policies.model import load_policy
from anchorgym.envs.durable import write_file
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
from anchorgym.training.run.deterministic import deterministic_kernels
from anchorgym.training.run.display import Display
from anchorgym.training.run.job import START, Job
from anchorgym.training.run.metrics import MetricsLog
from anchorgym.training.run.recovery import Recovery, Written
from anchorgym.training.run.results import RESULT, Run
from anchorgym.training.run.threads import tensor_threads

WRITTEN = Written(entries=("episodes/*.jsonl",))
"""What a run writes beside its checkpoints, but for policies, which it writes again alike."""


def train(
    config: TrainConfig, out: str | Path, console: Console | None = None, *, resume: bool = False
) -> Run:
    """Run a training job and write everything to `out`.

    The folder gets `config.json` with every setting; `metrics.jsonl`, written as the run proceeds,
    with the same numbers in `tensorboard/`; `checkpoints/`; the initial policy in `start/`, the
    clone in `clone/`, the best policy in `policy/` and, if another one is the last, that in
    `last/`; `episodes/`; `curve.png` and `anchors.png`; and, when the run is finished,
    `result.json`.

    The best policy has the highest success on the validation panel, the latest if several are
    equal; that panel shares no task with the test panel. Without held-out tasks, it is the last
    policy.

    Args:
        config: configuration of the job.
        out: folder without a run, unless `resume` is true.
        console: console that shows progress.
        resume: continue the run in `out` from its newest checkpoint, with the same result as if it
            had never stopped. A folder without a run starts one.

    Raises:
        RunExistsError: `out` already holds a run.
        RunFinishedError: the run to resume is finished.
        RunBusyError: another process is working on the run.
        ConfigError: the run has other settings; the message names them.
    """
    folder = Path(out)
    goes_on = (folder / CONFIG).exists()
    if not resume:
        require_free(folder)
    with ExitStack() as stack:
        policy = None
        if goes_on:
            stack.enter_context(alone(folder))
            if (folder / RESULT).exists():
                raise RunFinishedError(f"{folder} is finished: there is nothing to resume")
            if Checkpoints(folder / "checkpoints").newest():
                engine = find_factory(config)
                policy = load_policy(folder / START, engine=engine)
        components = assemble(config, policy)
        config = completed(config, components)
        display = Display(console)
        if goes_on:
            require_equal(config, read_config(folder), folder)
        else:
            claim(folder, "anchorgym train")
            stack.enter_context(alone(folder))
            write_file(folder / CONFIG, config.to_text())
        # Nothing is taken back before it is known that the run goes on.
        recovery = Recovery(folder, WRITTEN, config.checkpoint)
        elapsed = recovery.saved.state.get("elapsed", 0.0) if recovery.saved else 0.0
        log = MetricsLog(folder / "metrics.jsonl", elapsed, folder / "tensorboard")
        stack.callback(log.close)
        if log.left_out:
            display.say(log.left_out)
        stack.enter_context(tensor_threads(config.threads))
        stack.enter_context(deterministic_kernels(config.device))
        return Job(config, components, folder, log, display, recovery).run()


def read_config(folder: Path) -> TrainConfig:
    """Return the settings of the run that a folder holds.

    Raises:
        ConfigError: the folder holds no run, or one with settings of another version.
    """
    return read_settings(TrainConfig, folder, "anchorgym train")
