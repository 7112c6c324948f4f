"""Many battles at once, for learners that read numbers: one exchange with the simulator a step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from anchorgym.envs.errors import OptionError, ResetNeededError
from anchorgym.envs.vgc import actions as choices
from anchorgym.envs.vgc.bridge import Bridge, Move
from anchorgym.envs.vgc.env import VGCEnv, tokens
from anchorgym.envs.vgc.records import BattleRecord, Frame, Seed
from anchorgym.envs.vgc.teams import seed_from, teams_of

WANTS = ("tokens",)

Batch = dict[str, NDArray[Any]]


class VGCVectorEnv(VectorEnv[Batch, NDArray[Any], NDArray[Any]]):
    """Battles in a batch, with a row for each seat: rows 2k and 2k + 1 are p1 and p2 of battle k.

    Observations are `tokens`, (rows, 13, width), and `mask`, (rows, 2, 107); actions are ids,
    (rows, 2), see `actions`. Whoever plays both seats plays against itself; a row that is not
    `active` in the infos is not asked, and its action is not heard.

    A battle that has ended is started anew by the next step, whose actions it does not hear: the
    next task of the training split, drawn by the generator. An action that is not allowed is left
    to the simulator, and marked in `infos["action_valid"]`.

    Args:
        num_battles: how many run at once.
        bridge: the simulator's process; by default, a new one.
        max_turns: choices after which a battle is cut off.
        kwargs: as for `VGCEnv`: format, teams, pastes, open_sheets and split.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "autoreset_mode": AutoresetMode.NEXT_STEP
    }

    def __init__(
        self,
        num_battles: int,
        *,
        bridge: Bridge | None = None,
        max_turns: int = 300,
        split: str = "train",
        format: str = "gen9vgc2025regi",
        teams: int = 16,
        pastes: str | os.PathLike[str] | None = None,
        open_sheets: bool = True,
    ) -> None:
        if num_battles < 1:
            raise OptionError(f"num_battles must be at least 1, got {num_battles}")
        self._one = VGCEnv(
            format=format,
            teams=teams,
            pastes=pastes,
            open_sheets=open_sheets,
            actions="ids",
            observations=("tokens", "mask"),
            split=split,
        )
        self.num_battles = num_battles
        self.num_envs = 2 * num_battles
        self.max_turns = max_turns
        self.bridge = Bridge() if bridge is None else bridge
        self._owns_bridge = bridge is None
        self.single_observation_space: spaces.Space[Any] = self._one.observation_space("p1")
        self.single_action_space = self._one.action_space("p1")
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._battles: list[int] = []
        self._frames: list[Frame] = []
        self._turns = np.zeros(num_battles, np.int64)
        self._over = np.zeros(num_battles, bool)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Batch, dict[str, Any]]:
        """Start all battles anew.

        Args:
            seed: of tasks and chance.
            options: none.
        """
        if options:
            raise OptionError(f"VGCVectorEnv.reset takes no options, got {sorted(options)}")
        super().reset(seed=seed)
        self.bridge.discard(self._battles)
        self._battles, self._frames = self.bridge.open(self._starts(self.num_battles), WANTS)
        self._turns[:], self._over[:] = 0, False
        return self._observations(), self._infos(np.ones(self.num_envs, bool))

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Batch, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Choose in all battles: observations, rewards, terminated, truncated, infos.

        Args:
            actions: (rows, 2) ids.
        """
        if not self._battles:
            raise ResetNeededError("no battle is running: call reset() first")
        valid = np.ones(self.num_envs, bool)
        running = np.flatnonzero(~self._over).tolist()
        moves = [self._move(k, actions, valid) for k in running]
        for k, frame in zip(running, self.bridge.choose(moves, WANTS), strict=True):
            self._frames[k] = frame
        self._turns[running] += 1
        self._restart(np.flatnonzero(self._over).tolist())
        ended = np.array([frame["ended"] for frame in self._frames])
        late = ~ended & (self._turns >= self.max_turns)
        self._over = ended | late
        rewards = np.array([_rewards(frame) for frame in self._frames]).reshape(-1)
        both = np.repeat(np.stack([ended, late]), 2, axis=1)
        return self._observations(), rewards, both[0], both[1], self._infos(valid)

    def close_extras(self, **kwargs: Any) -> None:
        """Forget the battles, and end the process if it is our own."""
        if self._owns_bridge:
            self.bridge.close()
        else:
            self.bridge.discard(self._battles)
        self._battles = []

    def records(self) -> list[BattleRecord]:
        """Return what each battle follows from, up to now."""
        return [self.bridge.record(battle) for battle in self._battles]

    # Details --------------------------------------------------------------------------------

    def _starts(self, n: int) -> list[BattleRecord]:
        panel = self._one.tasks()
        tasks = [panel[int(i)] for i in self.np_random.integers(len(panel), size=n)]
        one = self._one
        return [
            BattleRecord(one.format, seed_from(task), teams_of(one.teams, task), one.open_sheets)
            for task in tasks
        ]

    def _restart(self, over: Sequence[int]) -> None:
        self.bridge.discard([self._battles[k] for k in over])
        opened = self.bridge.open(self._starts(len(over)), WANTS)
        for k, number, frame in zip(over, *opened, strict=True):
            self._battles[k], self._frames[k], self._turns[k] = number, frame, 0

    def _move(self, k: int, actions: NDArray[Any], valid: NDArray[Any]) -> Move:
        frame = self._frames[k]
        chosen: list[str | None] = []
        for seat, told in enumerate(frame["seats"]):
            row = 2 * k + seat
            first, second = (int(choice) for choice in actions[row])
            legal = told["legal"]
            if legal is None:
                chosen.append(None)
                continue
            valid[row] = first in legal[0] and second in choices.choices_after(legal, first)
            pair = choices.pair_text((first, second), frame["turn"] == 0) if valid[row] else ""
            chosen.append(pair or "default")
        return Move(self._battles[k], (chosen[0], chosen[1]), self._draw_seed())

    def _draw_seed(self) -> Seed:
        one, two, three, four = self.np_random.integers(2**16, size=4).tolist()
        return one, two, three, four

    def _observations(self) -> Batch:
        seats = [seat for frame in self._frames for seat in frame["seats"]]
        layout = self._one.knowledge.layout
        return {
            "mask": np.stack([choices.mask(seat["legal"]) for seat in seats]),
            "tokens": np.stack([tokens(seat, layout) for seat in seats]),
        }

    def _infos(self, valid: NDArray[Any]) -> dict[str, Any]:
        asked = [seat["legal"] is not None for frame in self._frames for seat in frame["seats"]]
        preview = [frame["turn"] == 0 for frame in self._frames for _ in frame["seats"]]
        return {
            "active": np.array(asked),
            "action_valid": valid,
            "preview": np.array(preview),
        }


def _rewards(frame: Frame) -> tuple[float, float]:
    if frame["winner"] is None:
        return 0.0, 0.0
    return (1.0, -1.0) if frame["winner"] == 0 else (-1.0, 1.0)
