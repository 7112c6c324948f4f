"""Rollouts of networks in many parallel games of a kitchen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from anchorgym.envs.overcooked import Kitchen
from anchorgym.envs.overcooked.batch import BatchStep, KitchenBatch
from anchorgym.envs.overcooked.codes import Codes, FloatArray
from anchorgym.envs.texts import parse_json
from anchorgym.training.worlds.overcooked.network import CookNet, NeuralCook

SEATS = np.arange(2)
_ARRAYS, _ABOUT = "games.safetensors", "games.json"


class Experience(NamedTuple):
    """The trajectories of T ticks of n games, for both seats."""

    codes: Tensor
    """(T, n, 2, width) codes of the observations."""
    actions: Tensor
    """(T, n, 2) actions, as indices into `ACTIONS`."""
    logprobs: Tensor
    """(T, n, 2) logprobs of the actions."""
    values: Tensor
    """(T + 1, n, 2) values of the states; the last row is of the states after the last tick."""
    rewards: FloatArray
    """(T, n) rewards of the team."""
    shaped: FloatArray
    """(T, n, 2) shaped rewards."""
    effects: NDArray[np.int_]
    """(T, n, 2) effects, as indices into `KitchenBatch.effects`."""
    moved: NDArray[np.bool_]
    """(T, n, 2) whether the cook has moved to another cell."""
    horizon: FloatArray
    """(T, n, 2) value of the state in which a game reached its horizon; 0 elsewhere."""
    done: NDArray[np.bool_]
    """(T, n) whether the game ended with the tick."""
    guests: NDArray[np.bool_]
    """(n, 2) whether a partner played the seat."""


class Games:
    """Endless games of a kitchen, played by a network and, in some seats, its partners.

    Args:
        kitchen: kitchen of the games.
        n_games: number of parallel games.
        horizon: number of ticks of a game; the first games begin at evenly spread ticks, so that
            not all end at once.
        partners: cooks of which one takes a seat in some games.
        share: share of the games with a partner; seats and partners take turns.
        seed: seed of all random draws.
    """

    def __init__(
        self,
        kitchen: Kitchen,
        n_games: int,
        horizon: int = 400,
        *,
        partners: Sequence[NeuralCook] = (),
        share: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.batch = KitchenBatch(kitchen, n_games, horizon)
        self.batch.ticks[:] = np.arange(n_games) * horizon // n_games
        self.codes = Codes(kitchen)
        self.rng = np.random.default_rng(seed)
        self._score = np.zeros(n_games)
        self._whole = np.zeros(n_games, bool)
        self.scores: list[float] = []
        """Scores of whole games that ended since the list was last cleared, oldest first."""
        self.guests = np.zeros((n_games, 2), bool)
        self._partners: list[tuple[NeuralCook, NDArray[np.int_], NDArray[np.int_]]] = []
        visited = np.arange(round(share * n_games)) if partners else np.arange(0)
        for number, cook in enumerate(partners):
            games = visited[visited % len(partners) == number]
            seats = games // len(partners) % 2
            self.guests[games, seats] = True
            self._partners.append((cook, games, seats))

    def save(self, folder: Path) -> None:
        """Write the state of all games into a folder."""
        folder.mkdir()
        whole = self._whole.astype(np.uint8)
        arrays: dict[str, NDArray[Any]] = {
            **self.batch.arrays(),
            "score": self._score,
            "whole": whole,
        }
        save_file(arrays, folder / _ARRAYS)
        about = {"scores": self.scores, "generator": self.rng.bit_generator.state}
        (folder / _ABOUT).write_text(json.dumps(about) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Restore what `save` has written."""
        arrays = load_file(folder / _ARRAYS)
        self._score, self._whole = arrays.pop("score"), arrays.pop("whole").astype(bool)
        self.batch.restore(arrays)
        about = parse_json((folder / _ABOUT).read_text(encoding="utf-8"))
        self.scores, self.rng.bit_generator.state = about["scores"], about["generator"]

    def look(self) -> FloatArray:
        """Return the codes of both cooks of each game: (n, 2, width)."""
        batch = self.batch
        return self.codes.encode(batch.stances, batch.held, batch.counters, batch.pots)

    @torch.no_grad()
    def play(self, net: CookNet, ticks: int) -> Experience:
        """Continue all games for `ticks` ticks; return the trajectories."""
        n = self.batch.n_games
        codes = torch.empty((ticks, n, 2, self.codes.width))
        actions = torch.empty((ticks, n, 2), dtype=torch.long)
        logprobs, values = torch.empty((ticks, n, 2)), torch.empty((ticks + 1, n, 2))
        steps: list[BatchStep] = []
        moved = np.zeros((ticks, n, 2), bool)
        horizon = np.zeros((ticks, n, 2), np.float32)
        for tick in range(ticks):
            seen = self.look()
            codes[tick] = torch.from_numpy(seen)
            logs, value = net(codes[tick].flatten(0, 1))
            chosen = (logs.numpy() + self.rng.gumbel(size=logs.shape)).argmax(-1).reshape(n, 2)
            for cook, games, seats in self._partners:
                chosen[games, seats] = cook.act(seen[games, seats], self.rng)
            actions[tick] = torch.from_numpy(chosen)
            logprobs[tick] = logs.view(n, 2, -1).gather(-1, actions[tick, ..., None])[..., 0]
            values[tick] = value.view(n, 2)
            cells = self.batch.stances >> 2
            steps.append(self._step(chosen))
            moved[tick] = (cells != self.batch.stances >> 2).T
            if steps[-1].done.any():
                over = steps[-1].done
                last = torch.from_numpy(self.look()[over])
                horizon[tick, over] = net(last.flatten(0, 1))[1].view(-1, 2).numpy()
                self.batch.reset(over)
        values[ticks] = net(torch.from_numpy(self.look()).flatten(0, 1))[1].view(n, 2)
        return Experience(
            codes,
            actions,
            logprobs,
            values,
            np.array([step.rewards for step in steps], np.float32),
            np.array([step.shaped for step in steps], np.float32),
            np.array([step.effects for step in steps]),
            moved,
            horizon,
            np.array([step.done for step in steps]),
            self.guests,
        )

    def _step(self, actions: NDArray[np.int_]) -> BatchStep:
        step = self.batch.step(actions)
        self._score += step.rewards
        if step.done.any():
            self.scores += self._score[step.done & self._whole].tolist()
            self._whole |= step.done
            self._score[step.done] = 0
        return step
