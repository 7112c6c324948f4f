"""Behaviour cloning of battles: imitation of choices, and prediction of the winner."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.markup import escape
from torch import Tensor

from anchorgym.envs.durable import write_file
from anchorgym.envs.texts import parse_json
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import Knowledge, knowledge
from anchorgym.training.config.run_folders import claimed
from anchorgym.training.learning.minibatches import minibatch_epochs
from anchorgym.training.learning.policy_gradient import descend
from anchorgym.training.learning.tensors import (
    load_optimizer,
    load_parameters,
    load_tensors,
    optimizer_tensors,
    parameters_of,
    save_tensors,
)
from anchorgym.training.run.display import Display
from anchorgym.training.run.recovery import Recovery, Written
from anchorgym.training.run.threads import tensor_threads
from anchorgym.training.worlds.vgc.config import CloneBattlesConfig
from anchorgym.training.worlds.vgc.contenders import battle_starts, contender, team_source
from anchorgym.training.worlds.vgc.demonstrations import Demonstrations, Noted, demonstrate, lessons
from anchorgym.training.worlds.vgc.logs import LogReading, read_logs
from anchorgym.training.worlds.vgc.network import BattleNet, Size
from anchorgym.training.worlds.vgc.policy import Batch, new_net, save_policy

POLICY = "policy"
"""Folder of the clone within the folder of the run."""
LEFT_OUT = "left_out.json"
"""File in the folder of the demonstrations, with the reason for each log that was left out."""
_FITS, _STATE = "fit.jsonl", "imitation.json"
_CHUNK = 100
"""Number of battles whose demonstrations share a file."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The fit of a clone after an epoch.

    Attributes:
        epoch: number of the epoch, from 1.
        loss: negative log-likelihood of the training choices.
        held_out_loss: negative log-likelihood of the held-out choices.
        accuracy: share of held-out joint choices that are the clone's most likely ones.
        value_error: mean squared error of the predicted payoff on held-out battles.
    """

    epoch: int
    loss: float
    held_out_loss: float
    accuracy: float
    value_error: float


def clone_battles(
    config: CloneBattlesConfig, out: Path, *, display: Display | None = None, resume: bool = False
) -> Iterator[Fit]:
    """Collect demonstrations, and train a policy on them; yield after every epoch.

    The folder gets `config.json`, `demonstrations/`, `policy/` and `fit.jsonl`. A resumed run
    reuses demonstrations that were collected before, goes on from its newest checkpoint, and yields
    the earlier epochs too; a finished clone is not trained again.

    Args:
        config: settings of the cloning.
        out: folder of the run.
        display: progress display.
        resume: whether to continue the run in the folder; a folder without a run starts one.

    Raises:
        ConfigError: the folder holds a run of other settings.
    """
    shown = display or Display(None)
    if config.battle.pastes is not None and not resume:
        team_source(config.battle)  # which refuses teams before the folder is claimed
    claim = claimed(config, out, "anchorgym vgc clone", resume=resume)
    with claim, tensor_threads(config.threads):
        if (out / POLICY).is_dir():
            lines = (out / _FITS).read_text(encoding="utf-8").splitlines()
            yield from (Fit(**parse_json(line, float)) for line in lines)
            return
        known, bridge = knowledge(config.battle.format), Bridge()
        try:
            shown_battles = collect(config, known, bridge, out / "demonstrations", shown)
        finally:
            bridge.close()
        net = new_net(known, Size(**config.net.model_dump()), config.seed)
        imitation = Imitation(net, shown_battles, config)
        recovery = Recovery(out, Written(logs=()), config.checkpoint)
        if recovery.saved:
            imitation.load(recovery.saved.part("imitation"))
        yield from imitation.fits
        with shown.phase("epoch", config.epochs, len(imitation.fits)) as steps:
            while len(imitation.fits) < config.epochs:
                if recovery.due():
                    recovery.save({}, {"imitation": imitation})
                fit = imitation.epoch()
                steps.step(f"held-out accuracy {fit.accuracy:.3f}")
                yield fit
        write_file(out / _FITS, "".join(json.dumps(asdict(fit)) + "\n" for fit in imitation.fits))
        save_policy(net, config.battle.format, out / POLICY)


def collect(
    config: CloneBattlesConfig, known: Knowledge, bridge: Bridge, folder: Path, display: Display
) -> Demonstrations:
    """Return the demonstrations for the settings; those in the folder are reused.

    Raises:
        DataError: the folder of logs has no log of a whole game of the format.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    chunks = math.ceil(config.battles / _CHUNK)
    with display.phase("lessons", chunks, 0) as shown:
        for number, first in enumerate(range(0, config.battles, _CHUNK)):
            path, n = folder / f"{number:04}.npz", min(_CHUNK, config.battles - first)
            if not path.exists():
                _play_chunk(config, known, bridge, first, n).save(path)
            parts.append(Demonstrations.load(path))
            shown.step(f"{first + n} battles")
    if config.logs is not None:
        found = read_logs(Path(config.logs), config.battle.format, bridge)
        parts.append(found.shown)
        left_out = {str(path): reason for path, reason in found.left_out.items()}
        write_file(folder / LEFT_OUT, json.dumps(left_out, indent=1) + "\n")
        display.say(_told(found, folder / LEFT_OUT))
    return Demonstrations.joined(parts)


def _told(found: LogReading, path: Path) -> str:
    """Say how many games were read, and why the other logs were not."""
    read = f"logs       {found.games} whole games read"
    if not found.left_out:
        return read
    first, reason = next(iter(found.left_out.items()))
    such_as = escape(f"{first.name!r}: {reason}")
    return f"{read}, {len(found.left_out)} left out (see {escape(str(path))}), such as {such_as}"


def _play_chunk(
    config: CloneBattlesConfig, known: Knowledge, bridge: Bridge, first: int, n: int
) -> Demonstrations:
    noted = Noted(contender(config.teacher, known, bridge), known)
    weaker = [contender(name, known, bridge) for name in ("max-power", "random")]
    seed = 1_000_003 * config.seed + first
    starts = battle_starts(team_source(config.battle), config.battle, seed)
    return demonstrate(bridge, noted, lessons(noted, weaker, starts, n, seed))


class Imitation:
    """The training of a clone, epoch by epoch; it saves itself as a part of a checkpoint.

    Args:
        net: network to train, in place.
        shown: demonstrations, of which some battles are held out.
        config: settings of the cloning.
    """

    def __init__(self, net: BattleNet, shown: Demonstrations, config: CloneBattlesConfig) -> None:
        self.net, self._config = net, config
        self.fits: list[Fit] = []
        """Fits of the epochs so far."""
        self._rng = np.random.default_rng(config.seed)
        aside = self._rng.random(int(shown.battles.max(initial=0)) + 1) < config.held_out
        held_out = aside[shown.battles]
        self._training, self._held = shown.take(~held_out), shown.take(held_out)
        steps = config.epochs * math.ceil(len(self._training) / config.batch)
        self._optimizer = torch.optim.AdamW(
            net.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, max(1, steps))

    def epoch(self) -> Fit:
        """Train for an epoch, and return the fit after it."""
        net, training, config = self.net, self._training, self._config
        net.train()
        losses = []
        for rows in minibatch_epochs(len(training), config.batch, 1, self._rng):
            imitation, value, _ = _losses(net, training, rows.numpy())
            loss = imitation + config.value_weight * value
            descend(loss, self._optimizer, net.parameters(), max_grad_norm=1.0)
            self._schedule.step()
            losses.append(imitation.item())
        net.eval()
        fit = Fit(len(self.fits) + 1, float(np.mean(losses)), *_tested(net, self._held))
        self.fits.append(fit)
        return fit

    def save(self, folder: Path) -> None:
        """Write the whole state into a folder that does not exist yet."""
        folder.mkdir()
        optimizer = optimizer_tensors(self._optimizer)
        save_tensors(folder, model=parameters_of(self.net), optimizer=optimizer)
        about = {
            "fits": [asdict(fit) for fit in self.fits],
            "generator": self._rng.bit_generator.state,
            "schedule": self._schedule.state_dict(),
            "rates": [group["lr"] for group in self._optimizer.param_groups],
        }
        (folder / _STATE).write_text(json.dumps(about) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Restore what `save` has written."""
        load_parameters(parameters_of(self.net), load_tensors(folder, "model"))
        load_optimizer(self._optimizer, load_tensors(folder, "optimizer"))
        about = parse_json((folder / _STATE).read_text(encoding="utf-8"), float)
        self.fits = [Fit(**fit) for fit in about["fits"]]
        self._rng.bit_generator.state = about["generator"]
        self._schedule.load_state_dict(about["schedule"])
        for group, rate in zip(self._optimizer.param_groups, about["rates"], strict=True):
            group["lr"] = rate


@torch.no_grad()
def _tested(net: BattleNet, shown: Demonstrations) -> tuple[float, float, float]:
    parts, sizes = [], []
    for at in range(0, len(shown), 1024):
        rows = np.arange(at, min(at + 1024, len(shown)))
        loss, value, hits = _losses(net, shown, rows)
        parts.append((loss.item(), hits.item(), value.item()))
        sizes.append(len(rows))
    if not parts:
        return math.nan, math.nan, math.nan
    means = np.average(np.array(parts), axis=0, weights=sizes)
    return float(means[0]), float(means[1]), float(means[2])


def _losses(
    net: BattleNet, shown: Demonstrations, rows: NDArray[np.int64]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return imitation loss, value loss and accuracy over some rows.

    An unknown half of a choice (-1) does not enter the loss.
    """
    batch = Batch(
        torch.from_numpy(shown.tokens[rows]),
        torch.from_numpy(shown.masks[rows]),
        torch.from_numpy(shown.pairs[rows]),
    )
    payoffs = torch.from_numpy(shown.payoffs[rows])
    encoded = net.encode(batch.tokens)
    known = batch.pairs >= 0
    one, two = batch.pairs.clamp(min=0).unbind(1)
    first = torch.log_softmax(net.first_logits(encoded, batch.masks), -1)
    second = torch.log_softmax(net.second_logits(encoded, batch.masks, one), -1)
    logs = torch.stack([first.gather(1, one[:, None]), second.gather(1, two[:, None])], 1)[..., 0]
    imitation = -(logs.masked_fill(~known, 0.0)).sum() / len(rows)
    value = (encoded.value - payoffs).square().mean()
    right = torch.stack([first.argmax(-1) == one, second.argmax(-1) == two], 1)
    return imitation, value, (right | ~known).all(1).float().mean()
