"""Runs that train or clone a cook, in a folder each."""

from __future__ import annotations

from pathlib import Path

from anchorgym.envs.overcooked import Kitchen, load_layout
from anchorgym.training.config.run_folders import RunFinishedError, claimed
from anchorgym.training.run.display import Display
from anchorgym.training.run.recovery import Recovery, Written
from anchorgym.training.run.threads import tensor_threads
from anchorgym.training.worlds.overcooked.config import CloneCookConfig, TrainCookConfig
from anchorgym.training.worlds.overcooked.human import (
    Fit,
    GameSplit,
    clone,
    divided,
    fit_of,
    read_games,
)
from anchorgym.training.worlds.overcooked.network import POLICY, NeuralCook
from anchorgym.training.worlds.overcooked.ppo import SelfPlay

__all__ = ["POLICY", "clone_cook", "train_cook"]


def train_cook(
    config: TrainCookConfig, out: Path, *, display: Display | None = None, resume: bool = False
) -> tuple[NeuralCook, float]:
    """Train a cook by self-play, and save it in `out/policy`.

    Args:
        config: settings of the training.
        out: folder of the run, which gets `config.json`, `policy/` and, if the training is
            long, `checkpoints/`.
        display: progress display.
        resume: whether to continue the run in the folder, with the same result as without a stop;
            a folder without a run starts one.

    Returns:
        The cook, and the CPU seconds of its training.

    Raises:
        RunExistsError: the folder holds a run, and `resume` is false.
        RunFinishedError: the run to resume is finished.
        CookError: a folder in the settings holds no cook, or one of another kitchen.
    """
    kitchen = Kitchen(load_layout(config.layout))
    net = NeuralCook.load(config.start, kitchen).net if config.start else None
    partners = [NeuralCook.load(folder, kitchen) for folder in config.partners]
    claim = claimed(config, out, "anchorgym overcooked train", resume=resume)
    with claim, tensor_threads(config.threads):
        _refuse_finished(out)
        trainer = SelfPlay(kitchen, config.ppo, seed=config.seed, net=net, partners=partners)
        recovery = Recovery(out, Written(), config.checkpoint)
        if recovery.saved:
            trainer.restore(recovery.saved)
        seconds, iterations = 0.0, config.ppo.iterations
        with (display or Display(None)).phase("self-play", iterations, trainer.done) as shown:
            for progress in trainer.train():
                shown.step(str(progress))
                seconds = progress.seconds
                if recovery.due():
                    trainer.save(recovery)
        cook = trainer.cook()
        cook.save(out / POLICY)
        return cook, seconds


def clone_cook(
    config: CloneCookConfig, out: Path, *, resume: bool = False
) -> tuple[GameSplit, Fit]:
    """Clone a cook from recorded games, and save it in `out/policy`.

    Args:
        config: settings of the cloning.
        out: folder of the run, which gets `config.json` and `policy/`.
        resume: whether to restart the run in the folder; a folder without a run starts one.

    Returns:
        The games by purpose, and how well the cook predicts actions in the test games.

    Raises:
        RunExistsError: the folder holds a run, and `resume` is false.
        RunFinishedError: the run to resume is finished.
        HumanDataError: the games cannot be read, or are too few.
    """
    kitchen = Kitchen(load_layout(config.layout))
    parts = divided(read_games(config.data, kitchen), config.part)
    claim = claimed(config, out, "anchorgym overcooked clone", resume=resume)
    with claim, tensor_threads(config.threads):
        _refuse_finished(out)
        cook = clone(kitchen, parts.shown, parts.kept, config.clone, seed=config.seed)
        cook.save(out / POLICY)
        return parts, fit_of(cook, parts.unseen)


def _refuse_finished(out: Path) -> None:
    if NeuralCook.is_kept_in(out / POLICY):
        raise RunFinishedError(f"{out} is finished: there is nothing to resume")
