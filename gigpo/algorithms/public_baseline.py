"""REINFORCE++ with a public baseline: agents of one functional group share their mean return.

    b_G = mean over the trajectories of the group of R,    A = R - b_G, whitened over the batch

A trajectory is one agent in one rollout, so that b_G is a mean over agents *and* rollouts: over the
agents of a single episode it would leave a lone agent, or a team that shares its reward, with
nothing to learn from. Which agents make a group is the trainer's choice: it gives them one group
id. Source: AdvEvo-MARL (arXiv 2510.01586), from its abstract and secondary descriptions; whitening
is that of REINFORCE++ (arXiv 2501.03262).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anchorgym.gigpo.algorithm import State
from anchorgym.gigpo.algorithms.grpo import GRPO
from anchorgym.gigpo.arrays import FloatArray, IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.moments import Norm, standardise


@dataclass(frozen=True, kw_only=True)
class PublicBaseline(GRPO):
    """`A = R - b_G`, given to every turn of a trajectory; forks, and a lone trajectory, get 0.

    Args:
        leave_one_out: b_G leaves out the trajectory's own return, which makes it independent of it:
            A is multiplied by n / (n - 1) in a group of n.
        whiten: divide by the deviation of A over all turns of the batch (its mean is subtracted
            too). Without a spread there is nothing to divide: A is 0.
    """

    norm: Norm = "mean"
    leave_one_out: bool = False
    whiten: bool = True

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Advantage of each turn, `(n_turns,)`."""
        result = self.episode_advantages(batch)
        if self.leave_one_out:
            result = result * _own_weight(batch)
        if not self.whiten:
            return result
        judged = np.flatnonzero(~batch.fork)
        whole: IntArray = np.zeros(len(judged), np.int64)
        white = np.zeros(len(batch))
        white[judged] = standardise(result[judged], whole)
        return white


def _own_weight(batch: TurnBatch) -> FloatArray:
    """`n / (n - 1)` of the group that each turn belongs to, `(n_turns,)`; 1 where n is 1."""
    roots = batch.present & ~batch.trajectory_fork
    size = np.bincount(batch.trajectory_group[roots], minlength=batch.n_groups)
    weight = size / np.maximum(size - 1, 1)
    return np.asarray(weight[batch.group], np.float64)
