"""Group-relative policy optimization (GRPO, arXiv 2402.03300): compare episodes of a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from anchorgym.gigpo import compat as verl
from anchorgym.gigpo.algorithm import Promise, State
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.errors import OptionError
from anchorgym.gigpo.normalization import Norm, standardise


@dataclass(frozen=True, kw_only=True)
class GRPO(EpisodeAlgorithm):
    """`A_E(i) = (S_i - mean_j S_j) / F`, given to every turn of trajectory i.

    `S_i` is the undiscounted sum of the `rewards` of trajectory i, less `invalid_penalty` for each
    invalid action; j runs over the trajectories of its group. A lone trajectory, and a group whose
    trajectories all score the same, give exactly 0. Turns of a fork get 0: a fork was selected
    rather than sampled, so it neither enters these statistics nor is judged by them.

    Args:
        norm: F = std + 1e-6 (`mean_std`) or F = 1 (`mean`).
        stats: whether mean and deviation weigh every trajectory the same (`trajectory`) or every
            turn (`turn`, which counts long trajectories more often); None is the former, under
            `compat` the latter.
        compat: `verl-agent` reproduces that implementation, see `anchorgym.gigpo.compat`.
    """

    norm: Norm = "mean_std"
    stats: Literal["trajectory", "turn"] | None = None
    compat: Literal["verl-agent"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.compat is not None and (self.reward_scale != 1 or self.truncation_value):
            changed = "reward_scale" if self.reward_scale != 1 else "truncation_value"
            raise OptionError(
                f"{type(self).__name__}: {changed}={getattr(self, changed)!r} is not known to "
                f"compat={self.compat!r}: leave it out, or use compat=None",
                changed,
            )

    @property
    def promises(self) -> frozenset[Promise]:
        """All, unless long trajectories are to weigh more, or another's numbers are reproduced."""
        if self.compat is not None:
            return frozenset()
        weighs_turns: frozenset[Promise] = frozenset({"zero_sum", "singleton_zero"})
        return super().promises if self.stats != "turn" else weighs_turns

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Episode advantage of each turn, `(n_turns,)`."""
        return self.episode_advantages(batch)

    def episode_advantages(self, batch: TurnBatch) -> FloatArray:
        """`A_E` of each turn's trajectory, `(n_turns,)`; 0 for forks."""
        if self.compat is not None:
            per_turn = self.stats != "trajectory"
            return verl.episode_advantages(batch, self.norm, self.invalid_penalty, per_turn)
        roots = self.roots(batch)
        if self.stats == "turn":
            score = roots.per_trajectory(roots.score)
            rows = np.flatnonzero(~batch.fork)
            result = np.zeros(len(batch))
            values = score[batch.trajectory[rows]]
            result[rows] = standardise(values, batch.group[rows], norm=self.norm)
            return result
        return roots.per_turn(standardise(roots.score, roots.group, norm=self.norm))
